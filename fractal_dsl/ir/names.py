"""State-dict segments that are Python attributes: the user's spelling wherever it can be kept."""

from __future__ import annotations

import keyword
import re
from hashlib import sha256

__all__ = ["RESERVED", "attribute_name"]

ESCAPED = re.compile(r"_(?=u[0-9a-f]{4,6}_)|_(?=cut[0-9a-f]{8}\Z)")
JOIN = re.compile(r"join(_\d+)?")
LONGEST = 64

# What torch.nn.Module has of its own, and what generated classes add to it.
RESERVED = frozenset(
    """
    T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda
    double dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter
    get_submodule half ipu load_state_dict modules mtia named_buffers named_children
    named_modules named_parameters parameters register_backward_hook register_buffer
    register_forward_hook register_forward_pre_hook register_full_backward_hook
    register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter
    register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state
    set_submodule share_memory state_dict to to_empty train training type xpu zero_grad

    append extend insert pop

    advance_dead anytime backward batch bits branch column_plan column_statistics columns
    compute extract_column fitting fixed_plan full_plan generator global_rate joins live
    load_plan_state local_rate make_plan number number_joins passes per_batch plan plan_seed
    plan_state rate reach recalibrate_batch_norm sample_plan sample_plans self some spread steer
    swap_statistics swapped
    """.split()
)


def attribute_name(segment: str) -> str:
    """The attribute that holds a part called `segment`; distinct parts get distinct names.

    Names that Python or torch needs take a `_` at their end, letters outside ASCII become
    `_u00e9_`, a `_` in front `u005f`, and names above 64 characters are cut and told apart by
    a digest.
    """
    name = ESCAPED.sub("_u005f_", segment)
    name = "".join(char if char.isascii() else f"_u{ord(char):04x}_" for char in name)
    stem = name.rstrip("_")
    if RESERVED & {name, stem} or keyword.iskeyword(stem) or JOIN.fullmatch(stem):
        name += "_"
    if name.startswith(("_", "u005f", "u0075")):
        name = f"u{ord(name[0]):04x}{name[1:]}"
    if len(name) > LONGEST:
        name = f"{name[:50]}_cut{sha256(segment.encode()).hexdigest()[:8]}"
    return name
