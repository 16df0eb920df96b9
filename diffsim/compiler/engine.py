"""The only file that speaks to llvmlite: what this processor can do, text to machine code, machine code to address."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, final

from diffsim.compiler.emitter import Shape

__all__ = ["Host", "Library", "available", "compile_text", "host", "load"]

_OLDEST = (20, 0, 0)
"""The oldest LLVM that reads what `Emitter` writes: ``splat`` constants."""


@functools.cache
def available() -> bool:
    """Whether code can be compiled: llvmlite is there and new enough, and the system runs code made in memory."""
    try:
        llvm = _binding()
        llvm.check_jit_execution()
    except (ImportError, OSError):
        return False
    return bool(llvm.llvm_version_info >= _OLDEST)


@functools.cache
def _binding() -> Any:
    """Return llvmlite's binding, ready for this machine."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@final
@dataclass(frozen=True)
class Host:
    """What this machine is, as far as machine code depends on it.

    Attributes
    ----------
    triple, cpu, features : str
        LLVM's names.
    version : str
        Of LLVM and llvmlite.
    lanes : int
        Doubles in a register.
    fma : bool
    """

    triple: str
    cpu: str
    features: str
    version: str
    lanes: int
    fma: bool

    def shape(self, lanes: int | None = None, bits: int = 64) -> Shape:
        """Return the shape of registers for code of the given width; the widest by default."""
        return Shape(self.lanes * (64 // bits) if lanes is None else lanes, bits, self.fma)


@functools.cache
def host() -> Host:
    """Return what this machine is."""
    import llvmlite

    llvm = _binding()
    features = llvm.get_host_cpu_features()
    triple = llvm.get_process_triple()
    has = {name for name, on in features.items() if on}
    arm = triple.startswith(("aarch64", "arm64"))
    lanes = 8 if "avx512f" in has else 4 if "avx" in has else 2
    version = ".".join(map(str, llvm.llvm_version_info))
    return Host(
        triple,
        llvm.get_host_cpu_name(),
        features.flatten(),
        f"llvm {version}, llvmlite {llvmlite.__version__}",
        lanes,
        arm or "fma" in has,
    )


def _machine() -> Any:
    """Return a new description of this processor for LLVM.

    NOTE: not kept, because an execution engine owns the one that it is given and deletes it in the end.
    PERF: 0.2 ms.
    """
    llvm = _binding()
    here = host()
    features = here.features + (",-prefer-256-bit" if here.lanes == 8 else "")
    return llvm.Target.from_triple(here.triple).create_target_machine(
        cpu=here.cpu, features=features, opt=3, reloc="pic", codemodel="default"
    )


def compile_text(text: str, *, optimise: int = 2, assembly: bool = False) -> bytes:
    """Return the object code of a module, or its assembly as text.

    Parameters
    ----------
    text : str
        LLVM's intermediate representation.
    optimise : {0, 1, 2, 3}
        How hard LLVM's passes try.
    assembly : bool
    """
    llvm = _binding()
    machine = _machine()
    module = llvm.parse_assembly(text)
    module.triple = host().triple
    module.data_layout = str(machine.target_data)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=optimise)
    options.loop_vectorization = options.slp_vectorization = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return machine.emit_assembly(module).encode() if assembly else bytes(machine.emit_object(module))


@final
class Library:
    """Machine code in memory, kept as long as the object lives.

    Parameters
    ----------
    code : bytes
        An object file.
    """

    def __init__(self, code: bytes) -> None:
        llvm = _binding()
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()

    def address(self, symbol: str) -> int:
        """Return the address of a function."""
        found = int(self._engine.get_function_address(symbol))
        if not found:
            raise KeyError(symbol)
        return found


def load(code: bytes) -> Library:
    """Return object code, loaded."""
    return Library(code)
