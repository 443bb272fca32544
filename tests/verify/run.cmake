# The program as it is installed, on the vectors: its threads and its exit codes.
file(READ ${VECTORS}/log-key key)
string(STRIP "${key}" key)

function(expect code says)
  execute_process(COMMAND ${PROGRAM} ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT result STREQUAL "${code}" OR NOT out MATCHES "${says}")
    message(FATAL_ERROR "${ARGN}: exit code ${result} where ${code} was due\n${out}")
  endif()
endfunction()

expect(0 "^verified: the log's signature, the leaf in its tree" receipt ${VECTORS}/receipt.tlog-proof --log-key ${key})
expect(0 "^verified: the log's signature" checkpoint ${VECTORS}/log/checkpoint --log-key ${key})
expect(0 "^verified: every leaf and every tile of the log\n.*leaves.collecte +1\n" log ${VECTORS}/log --log-key ${key})
expect(0 "^verified: the tree of the new" consistency ${VECTORS}/log/checkpoint ${VECTORS}/log/checkpoint
  --tiles ${VECTORS}/log --log-key ${key})
expect(4 "^FAILED: receipt: " receipt ${VECTORS}/log/checkpoint --log-key ${key})
expect(4 "^FAILED: checkpoint signature: " log ${VECTORS}/log --log-key
  0000000000000000000000000000000000000000000000000000000000000000)
expect(2 "no command")
expect(5 "no such file" receipt ${VECTORS}/none --log-key ${key})
