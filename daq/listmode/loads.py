"""Load a word of 1, 2, 4 or 8 bytes from a byte array at any address, for generated kernels.

NumPy views want aligned addresses and a length that divides; packets have neither. LLVM takes an alignment of one byte.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import signature
from numba.extending import intrinsic


def _load(typingctx: Any, data: Any, at: Any, *, size: int, swap: bool) -> Any:
    if not isinstance(data, types.Array) or data.dtype != types.uint8:
        return None
    result = {1: types.uint8, 2: types.uint16, 4: types.uint32, 8: types.uint64}[size]

    def codegen(context: Any, builder: Any, types_: Any, args: Any) -> Any:
        array = cgutils.create_struct_proxy(types_.args[0])(context, builder, args[0])  # type: ignore[no-untyped-call]
        index = context.cast(builder, args[1], types_.args[1], types.intp)
        place = builder.gep(array.data, [index])
        word = builder.load(builder.bitcast(place, ir.IntType(8 * size).as_pointer()))
        word.align = 1
        return builder.bswap(word) if swap else word

    return signature(result, data, at), codegen  # type: ignore[no-untyped-call]


@intrinsic
def load_u8(typingctx: Any, data: Any, at: Any) -> Any:
    """Return byte `at` of `data` (uint8 array)."""
    return _load(typingctx, data, at, size=1, swap=False)


@intrinsic
def load_u16_little(typingctx: Any, data: Any, at: Any) -> Any:
    """Return the little-endian uint16 at byte `at` of `data`."""
    return _load(typingctx, data, at, size=2, swap=False)


@intrinsic
def load_u32_little(typingctx: Any, data: Any, at: Any) -> Any:
    """Return the little-endian uint32 at byte `at` of `data`."""
    return _load(typingctx, data, at, size=4, swap=False)


@intrinsic
def load_u64_little(typingctx: Any, data: Any, at: Any) -> Any:
    """Return the little-endian uint64 at byte `at` of `data`."""
    return _load(typingctx, data, at, size=8, swap=False)


@intrinsic
def load_u16_big(typingctx: Any, data: Any, at: Any) -> Any:
    """Return the big-endian uint16 at byte `at` of `data`."""
    return _load(typingctx, data, at, size=2, swap=True)


@intrinsic
def load_u32_big(typingctx: Any, data: Any, at: Any) -> Any:
    """Return the big-endian uint32 at byte `at` of `data`."""
    return _load(typingctx, data, at, size=4, swap=True)


@intrinsic
def load_u64_big(typingctx: Any, data: Any, at: Any) -> Any:
    """Return the big-endian uint64 at byte `at` of `data`."""
    return _load(typingctx, data, at, size=8, swap=True)
