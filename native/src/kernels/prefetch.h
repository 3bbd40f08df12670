/*
 * The prefetch planner: deals what the next piece of work reads out to the micro-kernel calls of
 * this one, evenly, so that memory is busy all the time and never in bursts.
 */
#ifndef CN_PREFETCH_H
#define CN_PREFETCH_H

#include "gemm.h"

/* `runs` runs of `floats` floats, `stride` floats from one to the next; zero runs are nothing. */
typedef struct memory_runs {
  const float *first;
  int64_t runs, stride, floats;
} memory_runs;

typedef struct prefetcher {
  memory_runs what[2];
  int64_t share;     /* floats for one tile */
  int64_t run, done; /* how far it is in what[at] */
  int at;
  bool across; /* a share is of every run of what[0], one run for each o of the call */
} prefetcher;

static inline int64_t whole_lines(int64_t floats) { return ceil_div(floats, CN_BLOCK) * CN_BLOCK; }

/* Starts to deal out a, then b, to calls of about `calls` tiles together. */
static inline prefetcher prefetcher_of(memory_runs a, memory_runs b, int64_t calls) {
  /* A share ends where its run ends, so each run may cost one call more. */
  const int64_t whole = max_i64(1, calls - a.runs - b.runs);
  const int64_t floats = a.runs * a.floats + b.runs * b.floats;
  return (prefetcher){.what = {a, b}, .share = whole_lines(ceil_div(floats, whole))};
}

/* The same for few calls that take an o for each run of a. */
static inline prefetcher prefetcher_across(memory_runs a, int64_t calls) {
  return (prefetcher){.what = {a}, .share = whole_lines(ceil_div(a.floats, calls)), .across = true};
}

/* The same runs once more, from another place on. In place: to copy a prefetcher that has just been
 * written waits until all stores before it are done. */
static inline void prefetch_again(prefetcher *p, const float *first) {
  p->what[0].first = first;
  p->run = p->done = 0;
  p->at = 0;
}

/* Gives the next share to a call that is complete but for that. */
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
  /* Divided in 32 bits, which is several times as fast: this is done for every call. */
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
