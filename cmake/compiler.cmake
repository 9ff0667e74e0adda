# How our own code is compiled: C++20, strict warnings as errors, fast linker, optional sanitizers.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")

add_library(mimicfleet_options INTERFACE)
target_compile_options(mimicfleet_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                                                    -Wno-sign-conversion -Wnon-virtual-dtor -Werror)
if(MIMICFLEET_UNITY)
  # g++ takes every source of a unity build for a header: its warning is about types that several files would have.
  target_compile_options(mimicfleet_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endif()
target_include_directories(mimicfleet_options INTERFACE "${PROJECT_SOURCE_DIR}")
find_program(MOLD mold)
if(MOLD)
  target_link_options(mimicfleet_options INTERFACE -fuse-ld=mold)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  # What is shipped neither tells nor depends on the folder that it was built in. The last one that fits counts; `../` is what
  # the compiler cache makes of the source folder.
  foreach(map "../=./" "${PROJECT_SOURCE_DIR}/=./" "${PROJECT_BINARY_DIR}/=./build/" "${MIMICFLEET_DEPS}/=./.deps/")
    add_compile_options("-ffile-prefix-map=${map}")
  endforeach()
endif()
if(MIMICFLEET_SANITIZE)
  # The sanitizers' extra code makes g++ suspect uninitialised values and wrong deletes where there are none.
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-error=maybe-uninitialized>
                      $<$<CXX_COMPILER_ID:GNU>:-Wno-error=free-nonheap-object>)
  add_compile_options(-fsanitize=${MIMICFLEET_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${MIMICFLEET_SANITIZE})
endif()
if(MIMICFLEET_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
