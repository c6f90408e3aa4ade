"""Training on torch alone: this package knows no compiler.

To read it: `loop` is one epoch, `train_step` one step of it, `train` the whole with its files (`run_files`).

- Images: `data` (sets, statistics), from `cifar`, `digits`, `folder` (`images`, `decode`, `image_files`);
  `batches` brings them to the device, `augment` changes them.
- The step: `model` (one interface to all styles), `optim`, `average`, `evaluate`.
- How it is computed: `speed` (device, precision, layout), `compiling`, `memory`, `distributed` (several
  processes).
- What stays: `run_files`, `checkpoint`, `metrics`, `report`, `plot`, `preprocessing`.

What is random comes from `seeds`: a function of the seed, the epoch and the image, so that any process
can go on anywhere. All that goes wrong for the user's reasons is a `RunError`.
"""
