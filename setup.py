"""Builds the compiled kernels; without a working compiler the NumPy twins serve instead."""

from __future__ import annotations

import os
import sys

from setuptools import Extension, setup

HERE = "app/core/kernels"
# Not -ffast-math: it removes tests for NaN, and when linking it changes the whole process.
FLAGS = (
    ["/O2"]
    if sys.platform == "win32"
    else ["-O3", "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros"]
)
MODULES = {
    "_autoencoder": [
        "_vectors",
        "_solvers",
        "_autoencoder",
        "_autoencoder_variant",
        "_autoencoder_kernels",
    ],
    "_layers": [
        "_vectors",
        "_choice",
        "_lanes",
        "_lanes_end",
        "_solvers",
        "_plans",
        "_correlate",
        "_conv",
        "_pool",
        "_dense",
        "_layers_variant",
        "_layers_kernels",
    ],
    "_norms": [
        "_vectors",
        "_choice",
        "_lanes",
        "_lanes_end",
        "_norm",
        "_columns",
        "_rows",
        "_pointwise",
        "_norms_variant",
        "_norms_kernels",
    ],
}
# For looking for a fault: Cython's bounds checks, with
#     FILTERSCOPE_CHECK_BOUNDS=1 python setup.py build_ext --inplace --force
# and for the C loops CFLAGS="-fsanitize=address,undefined" beside it, libasan preloaded.
# They are set here alone: a comment in a .pyx would win over them.
CHECKED = bool(os.environ.get("FILTERSCOPE_CHECK_BOUNDS"))
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": CHECKED,
    "wraparound": False,
    "cdivision": True,
}


def extensions() -> list[Extension]:
    try:
        from Cython.Build import cythonize
    except ImportError:
        return []
    found = [
        Extension(
            f"app.core.kernels.{name}",
            [f"{HERE}/{name}.pyx"],
            depends=[f"{HERE}/_sharing.pxi", *(f"{HERE}/{header}.h" for header in headers)],
            extra_compile_args=FLAGS,
        )
        for name, headers in MODULES.items()
    ]
    built = cythonize(found, compiler_directives=DIRECTIVES, force=CHECKED, quiet=True)
    for extension in built:
        # A failed compilation is a notice, not the end of the installation. It is said here
        # because cythonize makes new extensions and forgets this word.
        extension.optional = True
    return built


setup(ext_modules=extensions())
