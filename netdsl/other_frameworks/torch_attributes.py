"""Names that torch's modules have themselves: an attribute of generated code can't take them.

Written out, so that the compiler needn't import torch; a test compares the list with torch's.
"""

from __future__ import annotations

_NAMES = """
    T_destination add_module append apply bfloat16 buffers call_super_init children compile cpu cuda
    double dump_patches eval extend extra_repr float forward get_buffer get_extra_state get_parameter
    get_submodule half insert ipu load_state_dict modules mtia named_buffers named_children
    named_modules named_parameters parameters pop register_backward_hook register_buffer
    register_forward_hook register_forward_pre_hook register_full_backward_hook
    register_full_backward_pre_hook register_load_state_dict_post_hook register_load_state_dict_pre_hook
    register_module register_parameter register_state_dict_post_hook register_state_dict_pre_hook
    requires_grad_ set_extra_state set_submodule share_memory state_dict to to_empty train training type
    xpu zero_grad
"""

MODULE_ATTRIBUTES = frozenset(_NAMES.split())
