# mimicfleet_unite(OUT NAME a.cpp…): writes files that include up to eight of the sources each, and puts their paths into OUT. Not CMake's
# UNITY_BUILD: its files hold absolute paths, so that the compiler cache would not know them in another checkout.
function(mimicfleet_unite out name)
  file(RELATIVE_PATH folder "${PROJECT_SOURCE_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}")
  set(united)
  set(text)
  set(count 0)
  list(LENGTH ARGN last)
  math(EXPR files "(${last} + 7) / 8")
  math(EXPR of_each "(${last} + ${files} - 1) / ${files}")
  foreach(source IN LISTS ARGN)
    string(APPEND text "#include \"${folder}/${source}\"\n")
    math(EXPR count "${count} + 1")
    math(EXPR in_batch "${count} % ${of_each}")
    if(in_batch EQUAL 0 OR count EQUAL last)
      set(file "${CMAKE_CURRENT_BINARY_DIR}/${name}_${count}.cpp")
      file(CONFIGURE OUTPUT "${file}" CONTENT "${text}" @ONLY)
      list(APPEND united "${file}")
      set(text)
    endif()
  endforeach()
  set(${out} ${united} PARENT_SCOPE)
endfunction()

# mimicfleet_module(NAME SOURCES a.cpp… [APART b.cpp…] [DEPENDS target…] [PRIVATE_DEPENDS target…])
#   a static library `mimicfleet_<NAME>` of one folder. Headers are found from the repository root. With MIMICFLEET_UNITY its
#   SOURCES are compiled several at once; those that need compiler flags or names of their own, and generated ones, stand APART.
function(mimicfleet_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;APART;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  if(MIMICFLEET_UNITY)
    mimicfleet_unite(ARG_SOURCES ${name} ${ARG_SOURCES})
  endif()
  add_library(mimicfleet_${name} STATIC ${ARG_SOURCES} ${ARG_APART})
  target_link_libraries(mimicfleet_${name} PUBLIC mimicfleet_options ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE_DEPENDS})
endfunction()

# mimicfleet_gpu_sources(OUT FILE…): writes OUT.cpp into the build tree with the text of kernels in CUDA C++, which the
# driver's machine compiles at run time (worker/models/nn/gpu_program.h). Nothing here needs nvcc.
function(mimicfleet_gpu_sources out)
  list(TRANSFORM ARGN PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/" OUTPUT_VARIABLE files)
  list(JOIN files "," joined)
  set(script "${PROJECT_SOURCE_DIR}/cmake/embed.cmake")
  add_custom_command(OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/${out}.cpp"
    COMMAND "${CMAKE_COMMAND}" -D "OUT=${CMAKE_CURRENT_BINARY_DIR}/${out}.cpp" -D "FILES=${joined}" -P "${script}"
    DEPENDS ${files} "${script}" VERBATIM)
endfunction()

# mimicfleet_binary(NAME SOURCES a.cpp… DEPENDS target…): an executable build/bin/NAME.
function(mimicfleet_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE mimicfleet_options ${ARG_DEPENDS})
endfunction()

# mimicfleet_test(NAME SOURCES a_test.cpp… DEPENDS target… [LABEL fast|slow|gpu|quality] [TIMEOUT seconds])
#   one GoogleTest binary; every TEST in it becomes a CTest test. Tests find data and the built
#   programs through tests/paths.h. A test that depends on mimicfleet_golden or mimicfleet_parity
#   gives figures to ./dev parity. A time limit ends what hangs and judges no speed: it is ten times what an idle machine needs.
function(mimicfleet_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;DEPENDS" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL fast)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  if(NOT MIMICFLEET_SANITIZE)
    target_compile_options(${name} PRIVATE -O0)  # what they test is optimised; they themselves compile a third faster
  endif()
  target_link_libraries(${name} PRIVATE mimicfleet_options mimicfleet_test_paths ${ARG_DEPENDS} GTest::gmock GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_PREFIX "${name}."
                       PROPERTIES LABELS "${ARG_LABEL}" TIMEOUT ${ARG_TIMEOUT})
  if(mimicfleet_golden IN_LIST ARG_DEPENDS OR mimicfleet_parity IN_LIST ARG_DEPENDS)
    set_property(GLOBAL APPEND PROPERTY MIMICFLEET_PARITY_TESTS ${name})
  endif()
endfunction()

# mimicfleet_gpu_test(NAME [FILTER] [VARIANT variant ENVIRONMENT VARIABLE=value…]): the tests of the binary NAME, or those that
# FILTER selects, once more on a GPU, as the CTest test gpu.NAME or, with these variables, gpu.NAME.variant; skipped where
# there is none.
function(mimicfleet_gpu_test name)
  cmake_parse_arguments(ARG "" "VARIANT" "ENVIRONMENT" ${ARGN})
  set(test gpu.${name})
  if(DEFINED ARG_VARIANT)  # "off" would be false
    string(APPEND test ".${ARG_VARIANT}")
  endif()
  add_test(NAME ${test} COMMAND ${name} "--gtest_filter=${ARG_UNPARSED_ARGUMENTS}*")
  set_tests_properties(${test} PROPERTIES LABELS gpu TIMEOUT 1800 SKIP_RETURN_CODE 77 RUN_SERIAL ON
                                          ENVIRONMENT "MIMICFLEET_TEST_DEVICE=cuda:0;${ARG_ENVIRONMENT}")
endfunction()

# mimicfleet_benchmark(NAME SOURCES a_bench.cpp… DEPENDS target…): a Google Benchmark program build/bench/NAME_bench.
# The target `benchmarks` builds them all.
function(mimicfleet_benchmark name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name}_bench ${ARG_SOURCES})
  set_target_properties(${name}_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
  target_link_libraries(${name}_bench PRIVATE mimicfleet_options mimicfleet_test_paths ${ARG_DEPENDS} benchmark::benchmark)
  if(NOT TARGET benchmarks)
    add_custom_target(benchmarks)
  endif()
  add_dependencies(benchmarks ${name}_bench)
endfunction()

# mimicfleet_fuzz(NAME SOURCES a_fuzz.cpp DEPENDS target…): with MIMICFLEET_FUZZ a libFuzzer binary; always a
# test that runs the target over its corpus tests/fuzz/corpus/NAME.
function(mimicfleet_fuzz name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  set(corpus "${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name}")
  if(MIMICFLEET_FUZZ)
    add_executable(${name}_fuzz ${ARG_SOURCES})
    target_link_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${name}_fuzz ${ARG_SOURCES} "${PROJECT_SOURCE_DIR}/tests/fuzz/run_corpus.cpp")
    add_test(NAME fuzz_corpus.${name} COMMAND ${name}_fuzz "${corpus}")
    set_tests_properties(fuzz_corpus.${name} PROPERTIES LABELS fast TIMEOUT 600)
  endif()
  set_target_properties(${name}_fuzz PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz")
  target_link_libraries(${name}_fuzz PRIVATE mimicfleet_options ${ARG_DEPENDS})
endfunction()
