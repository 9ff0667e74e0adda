# cmake -D SOURCE=folder -D OUT=file.cpp -P revision.cmake: C++ that says from which commit SOURCE is; see
# monitoring/build_info.h. The file is written only when that changes, so that only then something is built anew.
cmake_policy(VERSION 3.25)
set(revision unknown)
find_program(GIT git)
if(GIT)
  # A folder inside somebody else's checkout is not at that one's commit.
  execute_process(COMMAND "${GIT}" -C "${SOURCE}" rev-parse --show-prefix
                  OUTPUT_VARIABLE prefix RESULT_VARIABLE failed OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT failed AND prefix STREQUAL "")
    execute_process(COMMAND "${GIT}" -C "${SOURCE}" describe --always --dirty --abbrev=12 --exclude=*
                    OUTPUT_VARIABLE described RESULT_VARIABLE failed OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(NOT failed)
      set(revision "${described}")
    endif()
  endif()
endif()
set(code "// Made by cmake/revision.cmake.\n#include \"monitoring/build_info.h\"\n\nnamespace mimicfleet::monitoring {\n\n")
string(APPEND code "std::string_view build_revision() { return \"${revision}\"; }\n\n}  // namespace mimicfleet::monitoring\n")
file(CONFIGURE OUTPUT "${OUT}" CONTENT "@code@" @ONLY)
