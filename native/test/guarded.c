#define _DEFAULT_SOURCE
#include "guarded.h"

#include "descriptors.h"

#include <sys/mman.h>

enum {
  PAGE = 1 << 16, /* bytes; a multiple of the page size */
  OPERANDS = 20,
  FRINGE = 64, /* bytes beside an operand that must stay as they are */
  ALIGNMENT = 64,
  AREA = MOST_OPERAND + PAGE, /* bytes between the inaccessible pages */
  VALUE = sizeof(float),
};

typedef enum role { INPUT, COPY, STATE, OUTPUT, SCRATCH } role;

typedef struct operand {
  char *area;
  char *values;
  int64_t bytes, room; /* up to the alignment */
  role role;
  const char *contents;   /* before the call; null for marks */
  int64_t sample, stride; /* of a slice: bytes of a sample, and from one to the next; else 0 */
} operand;

static operand operands[OPERANDS];
static int used;
static bool fit, valid;
static char marks[AREA];
static float numbers[2 * AREA / VALUE];

int64_t calls, computed;

void make_operands(void) {
  const uint32_t mark = 0x7fc0ca11; /* a NaN */
  for (size_t i = 0; i < sizeof marks; i += sizeof mark) memcpy(marks + i, &mark, sizeof mark);
  for (size_t i = 0; i < sizeof numbers / VALUE; i++) numbers[i] = (float)below(5) - 2.0f;
  for (int i = 0; i < OPERANDS; i++) {
    char *memory =
        mmap(NULL, AREA + 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, PAGE, PROT_NONE) != 0 ||
        mprotect(memory + PAGE + AREA, PAGE, PROT_NONE) != 0)
      abort();
    operands[i].area = memory + PAGE;
  }
}

void begin_call(void) {
  used = 0;
  fit = valid = true;
}

bool all_fit(void) { return fit; }

bool all_valid(void) { return valid; }

int64_t vector_bytes(int32_t c) {
  const int64_t lanes = ((int64_t)c + CN_BLOCK - 1) / CN_BLOCK * CN_BLOCK;
  return lanes * VALUE;
}

static operand *next(role role, int64_t bytes, int64_t alignment) {
  if (used == OPERANDS) abort();
  if (bytes > MOST_OPERAND) fit = false;
  if (bytes < 1 || bytes > MOST_OPERAND) bytes = ALIGNMENT;
  operand *o = &operands[used++];
  o->role = role;
  o->bytes = bytes;
  o->room = (bytes + alignment - 1) / alignment * alignment;
  o->sample = o->stride = 0;
  o->values = chance(50) ? o->area : o->area + AREA - o->room;
  o->contents = NULL;
  if (role == INPUT || role == STATE) o->contents = (char *)(numbers + below(AREA / VALUE));
  return o;
}

static char *start_of(const operand *o) {
  return o->values == o->area ? o->values : o->values - FRINGE;
}

static void *fill(const operand *o) {
  char *start = start_of(o);
  memcpy(start, marks, (size_t)(o->room + FRINGE));
  if (o->contents != NULL) memcpy(o->values, o->contents, (size_t)o->bytes);
  return o->values;
}

void *next_input(int64_t bytes) { return fill(next(INPUT, bytes, ALIGNMENT)); }
void *next_state(int64_t bytes) { return fill(next(STATE, bytes, ALIGNMENT)); }
void *next_output(int64_t bytes) { return fill(next(OUTPUT, bytes, ALIGNMENT)); }
void *next_scratch(int64_t bytes) { return fill(next(SCRATCH, bytes, ALIGNMENT)); }

void *next_copy(const void *contents, int64_t bytes) {
  operand *o = next(COPY, bytes, ALIGNMENT);
  o->contents = contents;
  return fill(o);
}

static operand *next_tensor(role role, const cn_tensor *t, int32_t n) {
  const int64_t bytes = cn_tensor_bytes(t, n);
  operand *o = next(role, bytes, t->layout == CN_PLAIN ? VALUE : ALIGNMENT);
  cn_tensor whole = *t;
  whole.sample_stride = 0;
  const int64_t sample = cn_tensor_bytes(&whole, 1);
  if (bytes == o->bytes && sample > 0 && t->sample_stride > sample) {
    o->sample = sample;
    o->stride = t->sample_stride;
  }
  return o;
}

void *next_image(const cn_tensor *t, int32_t n) { return fill(next_tensor(INPUT, t, n)); }
void *next_result(const cn_tensor *t, int32_t n) { return fill(next_tensor(OUTPUT, t, n)); }

void *spoilt(void *operand) {
  if (!chance(2)) return operand;
  valid = false;
  return chance(50) ? NULL : (char *)operand + 2;
}

/* Whether bytes of the operand, from `from` on, still have the mark. */
static bool is_marked(const operand *o, int64_t from, int64_t bytes) {
  return bytes <= 0 || memcmp(o->values + from, marks + (from & (VALUE - 1)), (size_t)bytes) == 0;
}

/* Whether no value of an output still has the mark. */
static bool is_written(const operand *o, int64_t from, int64_t bytes) {
  for (int64_t at = from; at + VALUE <= from + bytes; at += VALUE)
    if (memcmp(o->values + at, marks, VALUE) == 0) return false;
  return true;
}

static bool is_unchanged(const operand *o) {
  return o->contents == NULL ? is_marked(o, 0, o->bytes)
                             : memcmp(o->values, o->contents, (size_t)o->bytes) == 0;
}

/* The samples of an output are written; what is between those of a slice is not. */
static void check_output(const char *function, const operand *o, int number) {
  if (o->stride == 0) {
    CHECK(is_written(o, 0, o->bytes), "%s does not write all of operand %d", function, number);
    return;
  }
  for (int64_t at = 0; at < o->bytes; at += o->stride) {
    const int64_t behind = at + o->sample, end = at + o->stride;
    CHECK(is_written(o, at, o->sample), "%s does not write all of operand %d", function, number);
    CHECK(is_marked(o, behind, (end < o->bytes ? end : o->bytes) - behind),
          "%s writes between samples of operand %d", function, number);
  }
}

int32_t check_call(const char *function, int32_t status) {
  calls++;
  computed += status == CN_OK;
  CHECK(status <= CN_OK && status >= CN_NO_MEMORY, "%s returns %d", function, (int)status);
  for (int i = 0; i < used; i++) {
    const operand *o = &operands[i];
    const bool first = o->values == o->area;
    CHECK(first || is_marked(o, -FRINGE, FRINGE), "%s writes before operand %d", function, i);
    CHECK(is_marked(o, o->bytes, o->room - o->bytes + (first ? FRINGE : 0)),
          "%s writes behind operand %d", function, i);
    if (status != CN_OK)
      CHECK(is_unchanged(o), "%s writes operand %d although it returns %d", function, i,
            (int)status);
    else if (o->role == INPUT || o->role == COPY)
      CHECK(is_unchanged(o), "%s changes its input, operand %d", function, i);
    else if (o->role == OUTPUT)
      check_output(function, o, i);
  }
  return status;
}
