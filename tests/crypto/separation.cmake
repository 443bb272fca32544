# P1 begins here: what opens content is in pli_crypto_open and nowhere else. Looks for the namespace among all
# symbols and for libsodium's own decryption among the ones called; the second library is the control, in which
# each of them must be found.
set(openers "pli::crypto::opening::open_payload" "pli::crypto::opening::unwrap_file_key"
  "pli::crypto::opening::unlock_header" "pli::crypto::opening::open_grant"
  "crypto_aead_chacha20poly1305_ietf_decrypt" "crypto_pwhash_scryptsalsa208sha256_ll")

function(symbols_of library out)
  execute_process(COMMAND ${NM} -C ${library} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  if(NOT symbols)
    message(FATAL_ERROR "no symbols in ${library}")
  endif()
  set(${out} "${symbols}" PARENT_SCOPE)
endfunction()

symbols_of(${SEALING} sealing)
symbols_of(${OPENING} opening)
foreach(opener ${openers})
  string(FIND "${opening}" "${opener}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "control: ${opener} is not in pli_crypto_open, so this test looks for the wrong name")
  endif()
  string(FIND "${sealing}" "${opener}" at)
  if(NOT at EQUAL -1)
    message(FATAL_ERROR "pli_crypto holds ${opener}")
  endif()
endforeach()
string(FIND "${sealing}" "opening" at)
if(NOT at EQUAL -1)
  message(FATAL_ERROR "pli_crypto holds a symbol of namespace opening")
endif()
