/*
 * Operands of a call in memory between inaccessible pages, and what must hold after the call:
 * inputs are unchanged, nothing beside an operand is written, a call that is refused writes
 * nothing, and a call that succeeds writes all of its outputs.
 */
#ifndef CN_TEST_GUARDED_H
#define CN_TEST_GUARDED_H

#include "harness.h"

void make_operands(void);

/* Forgets the operands of the last call. */
void begin_call(void);

/* Bytes that an operand can have. Larger ones are shortened, and the call is not for running. */
enum { MOST_OPERAND = 1 << 19 };
bool all_fit(void);

/*
 * Operands begin or end at an inaccessible page, as close as their alignment allows. Inputs and
 * state, which a call may change, contain small whole numbers; outputs and scratch memory a mark.
 * Sizes that are a status become a few bytes.
 */
void *next_input(int64_t bytes);
void *next_state(int64_t bytes);
void *next_output(int64_t bytes);
void *next_scratch(int64_t bytes);
void *next_image(const cn_tensor *t, int32_t n);  /* an input */
void *next_result(const cn_tensor *t, int32_t n); /* an output */

/* The same with these contents. The call must not change them. */
void *next_copy(const void *contents, int64_t bytes);

/* The per-channel vectors of a tensor with c channels. */
int64_t vector_bytes(int32_t c);

/* The pointer; rarely null, or misaligned. all_valid tells whether it was neither for any of the
 * call's operands. */
void *spoilt(void *operand);
bool all_valid(void);

/* Checks the operands after a call, and returns its status. */
int32_t check_call(const char *function, int32_t status);
#define CALL(function, ...) check_call(#function, function(__VA_ARGS__))

/* The number of calls, and of those that returned CN_OK. */
extern int64_t calls, computed;

#endif
