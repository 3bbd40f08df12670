/*
 * Shapes that a kernel divides into a wanted number of parts, found by searching its own plan. A
 * list of shapes would no longer contain the interesting ones once the plan changes.
 */
#ifndef CN_TEST_PARTS_H
#define CN_TEST_PARTS_H

#include "harness.h"

/* The parts into which a kernel divides its work. No parts if another kernel runs. */
typedef struct division {
  int64_t parts;
  bool uneven; /* the parts have different sizes */
} division;

/* `whole` items in `parts` parts that are as equal as possible. */
static inline division in_parts(int64_t whole, int64_t parts) {
  return (division){parts, parts > 0 && whole % parts != 0};
}

/* `whole` items in parts of `size`, the last of which may be smaller. */
static inline division in_pieces(int64_t whole, int64_t size) {
  return (division){(whole + size - 1) / size, whole % size != 0};
}

/* What a test has to find. */
typedef enum wanted { ONE_PART, TWO_PARTS, EIGHT_PARTS, MANY_UNEVEN_PARTS, WANTED } wanted;

static const char *const wanted_names[WANTED] = {"one part", "two parts", "eight parts",
                                                 "many uneven parts"};

static inline bool is_wanted(division d, wanted what) {
  switch (what) {
  case ONE_PART:
    return d.parts == 1;
  case TWO_PARTS:
    return d.parts == 2;
  case EIGHT_PARTS:
    return d.parts == 8;
  default:
    return d.parts > 2 && d.uneven;
  }
}

#endif
