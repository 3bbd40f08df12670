/*
 * Depthwise backward-weights: dw[c][r][s] = sum over samples and pixels of dy[c] x[c], and db[c] =
 * sum of dy[c]. x and dy are read once: a row of dy meets all taps while it is in cache. Sums of up
 * to RUN_TERMS products are added up by plane, these by chunk of samples, and the chunks at the
 * end.
 */
#include "depthwise.h"

enum {
  RUN_TERMS = 256,
  TAP_ROWS = 3, /* so many by so many taps are summed together, in registers: 15 of AVX2's 16 */
  TAP_COLS = 5,
};

typedef struct depthwise_weights {
  depthwise_plan plan;
  const float *x, *dy;
  float *bands, *sums;
  chunk_sums totals;
} depthwise_weights;

/* A run of neighbours in a row of dy, and what the taps of a filter column see of it in the band.
 */
typedef struct tap_run {
  const float *dy, *x[TAP_ROWS];
  int64_t offsets[TAP_COLS];
  int64_t count;
  float *sums; /* of the first tap, */
  int64_t sums_row;
} tap_run;

/* sums[i][j] += dy[q] x[i][offsets[j] + q], summed over q */
ALWAYS_INLINE void sum_taps(const tap_run *r, int rows, int cols) {
  vec sum[TAP_ROWS * TAP_COLS];
  const float *x[TAP_ROWS], *dy = r->dy;
#pragma GCC unroll 3
  for (int i = 0; i < rows; i++) {
    x[i] = r->x[i];
#pragma GCC unroll 5
    for (int j = 0; j < cols; j++)
      sum[i * cols + j] = vec_load(r->sums + i * r->sums_row + j * CN_BLOCK);
  }
  for (const float *end = dy + r->count * CN_BLOCK; dy < end; dy += CN_BLOCK) {
    const vec v = vec_load(dy);
#pragma GCC unroll 3
    for (int i = 0; i < rows; i++) {
#pragma GCC unroll 5
      for (int j = 0; j < cols; j++)
        sum[i * cols + j] = vec_fma(v, vec_load(x[i] + r->offsets[j]), sum[i * cols + j]);
      x[i] += CN_BLOCK;
    }
  }
#pragma GCC unroll 3
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 5
    for (int j = 0; j < cols; j++)
      vec_store(r->sums + i * r->sums_row + j * CN_BLOCK, sum[i * cols + j]);
}

ALWAYS_INLINE void sum_columns(const tap_run *r, int rows, int cols) {
  switch (cols) {
  case 1:
    sum_taps(r, rows, 1);
    break;
  case 2:
    sum_taps(r, rows, 2);
    break;
  case 3:
    sum_taps(r, rows, 3);
    break;
  case 4:
    sum_taps(r, rows, 4);
    break;
  default:
    sum_taps(r, rows, TAP_COLS);
  }
}

static void sum_some(const tap_run *r, int rows, int cols) {
  switch (rows) {
  case 1:
    sum_columns(r, 1, cols);
    break;
  case 2:
    sum_columns(r, 2, cols);
    break;
  default:
    sum_columns(r, TAP_ROWS, cols);
  }
}

/* sums[16] += count pixels, in four running sums */
static void sum_bias(const float *dy, int64_t count, float *sums) {
  vec part[4] = {vec_load(sums), vec_zero(), vec_zero(), vec_zero()};
  int64_t q = 0;
  for (; q + 4 <= count; q += 4)
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) part[j] = vec_add(part[j], vec_load(dy + (q + j) * CN_BLOCK));
  for (; q < count; q++) part[0] = vec_add(part[0], vec_load(dy + q * CN_BLOCK));
  vec_store(sums, vec_add(vec_add(part[0], part[1]), vec_add(part[2], part[3])));
}

/* The next of equal parts, each at most `most`, of what is left. */
static int32_t part_of(int32_t left, int32_t most) {
  if (left <= most) return left;
  const int32_t parts = (left + most - 1) / most;
  return (left + parts - 1) / parts;
}

/* Pixels q..q + count - 1 of row t of dy, one half or all of the lanes. */
static void sum_run(const band *band, const tap_walk *walk, const float *dy, int64_t t, int64_t q,
                    int64_t count, int lane, float *sums) {
  const depthwise_plan *p = band->plan;
  const cn_conv2d *conv = p->conv;
  const axis *y = &p->y[0], *x = &p->x[0];
  tap_run r = {.dy = dy + q * CN_BLOCK + lane,
               .count = count,
               .sums_row = (int64_t)conv->kernel_w * CN_BLOCK};
  const int64_t source = t * p->src_stride_h + y->src;
  int32_t last = y->taps, rows;
  while (last > 0 && source + (last - 1) * y->src_tap >= p->src.h) last--;
  for (int32_t i = 0; i < last; i += rows) {
    rows = 1;
    if (source + i * y->src_tap < 0) continue;
    rows = part_of(last - i, TAP_ROWS);
    for (int k = 0; k < rows; k++)
      r.x[k] = band_row(band, source + (i + k) * y->src_tap) + q * CN_BLOCK + lane;
    int64_t offset = walk->offset, residue = walk->residue;
    for (int32_t j = 0, cols; j < x->taps; j += cols) {
      cols = part_of(x->taps - j, TAP_COLS);
      for (int k = 0; k < cols; k++) {
        r.offsets[k] = offset;
        offset += next_tap(walk, &residue);
      }
      r.sums = sums + (i * conv->kernel_w + j) * CN_BLOCK + lane;
      sum_some(&r, rows, cols);
    }
  }
  sum_bias(r.dy, count, sums + conv->kernel_h * r.sums_row + lane);
}

/* total += sums, sums = 0 */
static void flush(int64_t floats, float *sums, float *total) {
  for (int64_t i = 0; i < floats; i += VEC) {
    vec_store(total + i, vec_add(vec_load(total + i), vec_load(sums + i)));
    vec_store(sums + i, vec_zero());
  }
}

/* A plane of dy, which meets the plane of x in the band, and where the sums over it go: taps of the
 * block, and its bias. */
typedef struct dy_plane {
  const float *dy, *end; /* pixel (0, 0); the end of the tensor */
  int64_t floats;        /* of dw */
  float *dw, *db;
} dy_plane;

static void flush_block(float *sums, const dy_plane *plane) {
  flush(plane->floats, sums, plane->dw);
  flush(CN_BLOCK, sums + plane->floats, plane->db);
}

/* Adds the sums over a plane to its totals; sums, of the taps and then of the bias, are zero before
 * and after. */
static void sum_plane(band *band, const tap_walk *walk, const dy_plane *plane, float *sums) {
  const depthwise_plan *p = band->plan;
  const int64_t pieces = ceil_div(p->dst.w, RUN_TERMS), piece = ceil_div(p->dst.w, pieces);
  int64_t terms = 0;
  for (int64_t t = 0; t < p->dst.h; t++) {
    const float *dy = plane->dy + t * p->dv.row;
    load_rows(band, t);
    fetch_ahead(dy, p->dst.w, plane->end);
    for (int64_t q = 0; q < p->dst.w; q += piece) {
      const int64_t count = min_i64(piece, p->dst.w - q);
      if (terms + count > RUN_TERMS) {
        flush_block(sums, plane);
        terms = 0;
      }
      for (int lane = 0; lane < CN_BLOCK; lane += VEC)
        sum_run(band, walk, dy, t, q, count, lane, sums);
      terms += count;
    }
  }
  flush_block(sums, plane);
}

/* Items are (chunk of samples, group of blocks). */
static void depthwise_weight_items(const void *state, int64_t first, int64_t last, int thread) {
  const depthwise_weights *job = state;
  const depthwise_plan *p = &job->plan;
  const int64_t taps_floats = p->sum_floats - CN_BLOCK;
  band rows = band_of(p, job->x, job->bands + thread * p->band_floats);
  const tap_walk walk = tap_walk_of(p, &p->x[0]);
  float *sums = job->sums + thread * p->sum_floats;
  memset(sums, 0, (size_t)p->sum_floats * sizeof(float));
  for (int64_t item = first; item < last; item++) {
    const int64_t chunk = item / p->block_groups, group = item % p->block_groups;
    const int64_t block0 = p->sv.planes * group / p->block_groups;
    const int64_t block1 = p->sv.planes * (group + 1) / p->block_groups;
    float *dw = job->totals.chunks + chunk * p->chunk_floats, *db = dw + job->totals.weights;
    memset(dw + block0 * taps_floats, 0, (size_t)((block1 - block0) * taps_floats) * sizeof(float));
    memset(db + block0 * CN_BLOCK, 0, (size_t)((block1 - block0) * CN_BLOCK) * sizeof(float));
    for (int64_t i = p->n * chunk / p->chunks; i < p->n * (chunk + 1) / p->chunks; i++)
      for (int64_t block = block0; block < block1; block++) {
        const dy_plane plane = {job->dy + plane_offset(&p->dv, i, block),
                                job->dy + p->n * p->dv.sample, taps_floats,
                                dw + block * taps_floats, db + block * CN_BLOCK};
        band_start(&rows, job->x + plane_offset(&p->sv, i, block));
        sum_plane(&rows, &walk, &plane, sums);
      }
  }
}

/* Items are vectors of 16 floats, of the weights and then of the bias. */
static void total_items(const void *state, int64_t first, int64_t last, int thread) {
  const depthwise_weights *job = state;
  (void)thread;
  add_chunks(&job->totals, first, last);
}

void depthwise_backward_weights(int threads, const cn_conv2d *conv, int64_t n, const float *x,
                                const float *dy, float *dw, float *db, const cn_update *update,
                                float *workspace) {
  depthwise_weights job = {.plan = depthwise_plan_of(conv, CN_BACKWARD_WEIGHTS, n),
                           .x = x,
                           .dy = dy,
                           .bands = workspace};
  const depthwise_plan *p = &job.plan;
  job.sums = job.bands + threads * p->band_floats;
  job.totals = (chunk_sums){.chunks = job.sums + threads * p->sum_floats,
                            .count = p->chunks,
                            .chunk_floats = p->chunk_floats,
                            .weights = conv_weight_floats(conv),
                            .dw = dw,
                            .db = db,
                            .update = update};
  const phase phases[] = {{depthwise_weight_items, p->chunks * p->block_groups},
                          {total_items, chunk_sum_vectors(&job.totals)}};
  run_phases(threads, depthwise_operations(conv, n), phases, 2, &job);
}
