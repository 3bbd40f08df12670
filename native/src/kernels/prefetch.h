/*
 * The prefetch planner: distributes what the next work item reads evenly over the micro-kernel
 * calls of the current one, so that memory is kept busy at a constant rate instead of in bursts.
 */
#ifndef CN_PREFETCH_H
#define CN_PREFETCH_H

#include "gemm.h"

/* `runs` runs of `floats` floats each, `stride` floats apart. Zero runs: nothing. */
typedef struct memory_runs {
  const float *first;
  int64_t runs, stride, floats;
} memory_runs;

typedef struct prefetcher {
  memory_runs what[2];
  int64_t share;     /* floats per tile */
  int64_t run, done; /* progress within what[at] */
  int at;
  bool
      across; /* each share takes a piece of every run of what[0], one run for each o of the call */
} prefetcher;

static inline int64_t whole_lines(int64_t floats) { return ceil_div(floats, CN_BLOCK) * CN_BLOCK; }

/* Distributes a, then b, over calls with about `calls` tiles in total. */
static inline prefetcher prefetcher_of(memory_runs a, memory_runs b, int64_t calls) {
  /* A share ends at the end of its run, so each run may need one more call. */
  const int64_t whole = max_i64(1, calls - a.runs - b.runs);
  const int64_t floats = a.runs * a.floats + b.runs * b.floats;
  return (prefetcher){.what = {a, b}, .share = whole_lines(ceil_div(floats, whole))};
}

/* The same for a small number of calls that have one o for each run of a. */
static inline prefetcher prefetcher_across(memory_runs a, int64_t calls) {
  return (prefetcher){.what = {a}, .share = whole_lines(ceil_div(a.floats, calls)), .across = true};
}

/* Restarts with the same runs at another address. Modifies p in place: copying a prefetcher that
 * was just written would stall until all earlier stores have completed. */
static inline void prefetch_again(prefetcher *p, const float *first) {
  p->what[0].first = first;
  p->run = p->done = 0;
  p->at = 0;
}

/* Assigns the next share to a call whose other fields are set. */
static inline void prefetch_share(prefetcher *p, gemm_args *g) {
  g->next = NULL;
  g->next_step = g->next_outer = 0;
  while (p->at < 2 && p->run >= p->what[p->at].runs) {
    p->at++;
    p->run = 0;
  }
  if (p->at == 2) return;
  const memory_runs *m = &p->what[p->at];
  const int64_t tiles = 1 + g->more;
  const int64_t floats = min_i64(tiles * p->share, m->floats - p->done);
  const int64_t o_steps = max_i64(1, tiles * g->rows * g->cols * g->k);
  const int64_t steps = p->across ? o_steps : max_i64(1, g->outers * o_steps);
  g->next = m->first + p->run * m->stride + p->done;
  /* A 32-bit division is several times as fast, and this runs for every call. */
  g->next_step = floats >= CN_BLOCK * steps
                     ? CN_BLOCK
                     : ((uint32_t)floats + (uint32_t)steps - 1) / (uint32_t)steps;
  p->done += floats;
  if (p->across) g->next_outer = m->stride - g->next_step * steps;
  if (p->done < m->floats) return;
  p->done = 0;
  p->run = p->across ? m->runs : p->run + 1;
}

#endif
