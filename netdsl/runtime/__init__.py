"""Training with torch alone; nothing here imports the compiler.

Where to start: `loop` is one epoch, `train_step` one step of it, `train` a whole run with its files
(`run_files`).

- Images: `data` (data sets, statistics), read by `cifar`, `digits`, `folder` (`images`, `decode`,
  `image_files`); `batches` moves them to the device, `augment` changes them.
- The step: `model` (one interface to all styles), `optim`, `average`, `evaluate`.
- How it is computed: `speed` (device, precision, layout), `compiling`, `memory`, `distributed` (several
  processes).
- Files: `run_files`, `checkpoint`, `metrics`, `report`, `plot`, `preprocessing`.

All random numbers come from `seeds` and depend only on the seed, the epoch and the image, so that a run
can be resumed at any step. Errors that the user can cause are `RunError`s.
"""
