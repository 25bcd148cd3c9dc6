/*
 * http_request.c - libFuzzer target for the request parser of libbide-http.
 *
 *     clang -fsanitize=fuzzer,address,undefined; the seeds are in fuzz/http_request.corpus
 */
#include "http_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_one((const char *)data, size);
    return 0;
}
