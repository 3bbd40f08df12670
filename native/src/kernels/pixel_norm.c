/* Normalisation of the channels of each pixel. */
#include "sample_norm.h"

/* The mean and the inverse deviation of `count` pixels. */
ALWAYS_INLINE void pixel_statistics(const norm_job *job, const pixel_run *run, int count) {
  const maps *m = &job->m;
  const float *x = m->x + run->x;
  vec sum[NORM_PIXELS], centre[NORM_PIXELS];
  for (int i = 0; i < count; i++) sum[i] = vec_zero();
  for (int64_t b = 0; b < m->xv.planes; b++)
    for (int lane = 0; lane < CN_BLOCK; lane += VEC)
#pragma GCC unroll 8
      for (int i = 0; i < count; i++)
        sum[i] = vec_add(sum[i], vec_load(x + b * m->xv.plane + i * CN_BLOCK + lane));
  for (int i = 0; i < count; i++) {
    const float mean = vec_sum(sum[i]) / (float)m->shape->c;
    job->mean[run->number + i] = mean;
    centre[i] = vec_set1(mean);
    sum[i] = vec_zero();
  }
  for (int64_t b = 0; b < m->xv.planes; b++)
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const vec_mask inside = lanes_in(m, b, lane);
#pragma GCC unroll 8
      for (int i = 0; i < count; i++) {
        const vec v = vec_load(x + b * m->xv.plane + i * CN_BLOCK + lane);
        const vec d = vec_keep(inside, vec_sub(v, centre[i]));
        sum[i] = vec_fma(d, d, sum[i]);
      }
    }
  for (int i = 0; i < count; i++)
    job->inverse_std[run->number + i] =
        inverse_root((double)vec_sum(sum[i]) / m->shape->c, job->norm->epsilon);
}

/* The statistics of `count` pixels, in all lanes. */
ALWAYS_INLINE void load_statistics(const norm_job *job, const pixel_run *run, int count, vec *mean,
                                   vec *inverse) {
  for (int i = 0; i < count; i++) {
    mean[i] = vec_set1(job->mean[run->number + i]);
    inverse[i] = vec_set1(job->inverse_std[run->number + i]);
  }
}

ALWAYS_INLINE void normalise_pixels(const void *state, const pixel_run *run, int count) {
  const norm_job *job = state;
  const maps *m = &job->m;
  const bool stream = stores_stream(&m->ov, m->n, STREAMED_FLOATS);
  vec mean[NORM_PIXELS], inverse[NORM_PIXELS];
  pixel_statistics(job, run, count);
  load_statistics(job, run, count, mean, inverse);
  for (int64_t b = 0; b < m->xv.planes; b++)
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const vec scale = scale_at(job, b * CN_BLOCK + lane);
      const vec shift = shift_at(job, b * CN_BLOCK + lane);
      const vec_mask inside = lanes_in(m, b, lane);
      const float *x = m->x + run->x + b * m->xv.plane + lane;
      float *y = m->out + run->out + b * m->ov.plane + lane;
#pragma GCC unroll 8
      for (int i = 0; i < count; i++) {
        const vec d = vec_sub(vec_load(x + i * CN_BLOCK), mean[i]);
        const vec value = vec_fma(d, vec_mul(inverse[i], scale), shift);
        store_or_stream(stream, y + i * CN_BLOCK, vec_keep(inside, value));
      }
    }
  if (stream) stream_end();
}

/* dx of `count` pixels, and adds their terms to the sums of a chunk. Sums over the channels of a
 * pixel: g_sum of scale dy, and product of scale dy (x - mean). */
ALWAYS_INLINE void differentiate_pixels(const void *state, const pixel_run *run, int count) {
  const norm_job *job = state;
  const maps *m = &job->m;
  const vec channels = vec_set1((float)m->shape->c);
  vec g_sum[NORM_PIXELS], product[NORM_PIXELS], mean[NORM_PIXELS], inverse[NORM_PIXELS];
  load_statistics(job, run, count, mean, inverse);
  for (int i = 0; i < count; i++) g_sum[i] = product[i] = vec_zero();
  for (int64_t b = 0; b < m->xv.planes; b++)
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const int64_t at = b * CN_BLOCK + lane;
      const vec scale = scale_at(job, at);
      const float *x = m->x + run->x + b * m->xv.plane + lane;
      const float *dy = m->dy + run->dy + b * m->ev.plane + lane;
      vec sum = vec_zero(), scaled = vec_zero();
#pragma GCC unroll 8
      for (int i = 0; i < count; i++) {
        const vec d = vec_sub(vec_load(x + i * CN_BLOCK), mean[i]);
        const vec g = vec_load(dy + i * CN_BLOCK), gs = vec_mul(g, scale);
        g_sum[i] = vec_add(g_sum[i], gs);
        product[i] = vec_fma(gs, d, product[i]);
        sum = vec_add(sum, g);
        scaled = vec_fma(vec_mul(g, d), inverse[i], scaled);
      }
      /* The statistics of a pixel may be NaN, also in the lanes without a channel. */
      scaled = vec_keep(lanes_in(m, b, lane), scaled);
      vec_store(job->sums + at, vec_add(vec_load(job->sums + at), sum));
      vec_store(job->products + at, vec_add(vec_load(job->products + at), scaled));
    }
  if (m->out == NULL) return;
  const bool stream = stores_stream(&m->ov, m->n, STREAMED_FLOATS);
  for (int i = 0; i < count; i++) {
    const vec mean_product = vec_div(vec_set1(vec_sum(product[i])), channels);
    g_sum[i] = vec_div(vec_set1(vec_sum(g_sum[i])), channels);
    product[i] = vec_mul(mean_product, vec_mul(inverse[i], inverse[i]));
  }
  for (int64_t b = 0; b < m->xv.planes; b++)
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const vec scale = scale_at(job, b * CN_BLOCK + lane);
      const vec_mask inside = lanes_in(m, b, lane);
      const float *x = m->x + run->x + b * m->xv.plane + lane;
      const float *dy = m->dy + run->dy + b * m->ev.plane + lane;
      float *dx = m->out + run->out + b * m->ov.plane + lane;
#pragma GCC unroll 8
      for (int i = 0; i < count; i++) {
        const vec d = vec_sub(vec_load(x + i * CN_BLOCK), mean[i]);
        const vec g = vec_mul(vec_load(dy + i * CN_BLOCK), scale);
        const vec rest = vec_sub(vec_sub(g, g_sum[i]), vec_mul(d, product[i]));
        store_or_stream(stream, dx + i * CN_BLOCK, vec_keep(inside, vec_mul(inverse[i], rest)));
      }
    }
  if (stream) stream_end();
}

/* Chunks are rows of the batch, or a piece of one. */
ALWAYS_INLINE void map_chunk(const norm_job *job, int64_t chunk, run_formula f) {
  const norm_chunks c = norm_chunks_of(job->m.shape, job->m.n);
  const int64_t first = chunk / c.pieces * c.rows_in_chunk;
  const int64_t p = chunk % c.pieces * NORM_CHUNK_PIXELS;
  for (int64_t row = first; row < min_i64(first + c.rows_in_chunk, c.rows); row++)
    map_runs(&job->m, row, p, min_i64(NORM_CHUNK_PIXELS, c.width - p), f, job);
}

/* Items are chunks. */
BODY(pixel_norm_items) {
  (void)thread;
  for (int64_t item = first; item < last; item++) map_chunk(state, item, normalise_pixels);
}

BODY(pixel_norm_gradient_items) {
  const norm_job *job = state;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    norm_job chunk = *job;
    chunk.sums += item * job->channels;
    chunk.products += item * job->channels;
    memset(chunk.sums, 0, (size_t)job->channels * sizeof(float));
    memset(chunk.products, 0, (size_t)job->channels * sizeof(float));
    map_chunk(&chunk, item, differentiate_pixels);
  }
}

/* Items are channels. */
BODY(pixel_norm_total_items) {
  const norm_job *job = state;
  (void)thread;
  add_norm_gradients(job, first, last, norm_chunks_of(job->m.shape, job->m.n).count, NULL);
}

void ISA_NAME(pixel_norm_forward)(const cn_context *context, const cn_sample_norm *norm, int32_t n,
                                  const float *x, const float *scale, const float *shift, float *y,
                                  float *mean, float *inverse_std) {
  const norm_job job = norm_forward_job(norm, n, x, scale, shift, y, mean, inverse_std);
  run_parallel(context, norm_cost(&job), pixel_norm_items, norm_chunks_of(&norm->x, n).count, &job);
}

void ISA_NAME(pixel_norm_backward)(const cn_context *context, const cn_sample_norm *norm, int32_t n,
                                   const float *x, const float *dy, const float *scale,
                                   const float *mean, const float *inverse_std, float *dx,
                                   float *dscale, float *dshift, float *workspace) {
  norm_job job =
      norm_backward_job(norm, n, x, dy, scale, mean, inverse_std, dx, dscale, dshift, workspace);
  const int64_t count = norm_chunks_of(&norm->x, n).count;
  job.products = job.sums + count * job.channels;
  const phase phases[] = {{pixel_norm_gradient_items, count},
                          {pixel_norm_total_items, job.channels}};
  run_phases(context, norm_cost(&job), phases, dscale != NULL || dshift != NULL ? 2 : 1, &job);
}
