"""The compiler: expression graphs become machine code through LLVM (llvmlite), without a toolchain.

``elementary`` writes sin, exp and their kin in plain arithmetic; ``lowering`` turns graphs into LLVM's intermediate
representation; ``engine`` is the only file that speaks to llvmlite; ``cache`` keeps machine code on disk.
Nothing here is imported before something is compiled.
"""

__all__: list[str] = []
