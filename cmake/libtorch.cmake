# LibTorch out of the PyPI wheel. Its own CMake files demand a CUDA toolkit, so the targets are ours. Only the
# CPU half is linked; a worker opens the CUDA half at run time.
set(torch_root "${MIMICFLEET_DEPS}/torch")
if(NOT EXISTS "${torch_root}/lib/libtorch_cpu.so")
  message(FATAL_ERROR "LibTorch is not at ${torch_root}. Run: ./dev setup")
endif()
set(cuda_runtime_dir "${MIMICFLEET_DEPS}/nvidia/cu13/lib")

add_library(mimicfleet_libtorch INTERFACE)
# -idirafter: the wheel brings copies of other libraries (fmt) whose headers must not hide the installed ones.
target_compile_options(mimicfleet_libtorch INTERFACE "SHELL:-idirafter ${torch_root}/include")
# AT_PER_OPERATOR_HEADERS: without it the operators of at::Tensor include every function there is.
target_compile_definitions(mimicfleet_libtorch INTERFACE _GLIBCXX_USE_CXX11_ABI=1 AT_PER_OPERATOR_HEADERS)
target_link_libraries(mimicfleet_libtorch INTERFACE "${torch_root}/lib/libtorch_cpu.so" "${torch_root}/lib/libc10.so")
target_link_options(mimicfleet_libtorch INTERFACE -Wl,--allow-shlib-undefined)
list(APPEND CMAKE_BUILD_RPATH "${torch_root}/lib" "${cuda_runtime_dir}")
