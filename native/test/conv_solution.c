#include "conv_solution.h"

static tracked_sum *new_sums(int64_t count) {
  tracked_sum *s = calloc((size_t)count, sizeof(tracked_sum));
  if (s == NULL) abort();
  return s;
}

static tracked_sum *copy_of(const tracked_sum *sums, int64_t count) {
  return memcpy(new_sums(count), sums, (size_t)count * sizeof(tracked_sum));
}

/* The seven loops. Every product is a term of one y, one dx and one dw. */
solution sums_of(const problem *p) {
  const cn_conv2d *c = &p->conv;
  const cn_window *window = &c->window;
  const solution s = {new_sums(p->y_count), new_sums(p->x_count), new_sums(p->w_count),
                      new_sums(c->y.c)};
  const int64_t channels = c->x.c / c->groups, filters = c->y.c / c->groups;
  for (int64_t i = 0; i < p->n; i++)
    for (int64_t k = 0; k < c->y.c; k++)
      for (int64_t q = 0; q < (int64_t)c->y.h * c->y.w; q++) {
        const int64_t oy = q / c->y.w, ox = q % c->y.w;
        const int64_t out = (i * c->y.c + k) * c->y.h * c->y.w + q;
        const double dy = p->dy[out];
        tracked_sum y = {0};
        if (p->bias != NULL) add_term(&y, p->bias[k]);
        add_term(&s.db[k], dy);
        for (int64_t tap = 0; tap < (int64_t)window->kernel_h * window->kernel_w; tap++) {
          const int64_t iy =
              oy * window->stride_h + tap / window->kernel_w * window->dilation_h - window->pad_top;
          const int64_t ix = ox * window->stride_w + tap % window->kernel_w * window->dilation_w -
                             window->pad_left;
          if (iy < 0 || ix < 0 || iy >= c->x.h || ix >= c->x.w) continue;
          for (int64_t j = 0; j < channels; j++) {
            const int64_t channel = k / filters * channels + j;
            const int64_t in = ((i * c->x.c + channel) * c->x.h + iy) * c->x.w + ix;
            const int64_t weight = (k * channels + j) * window->kernel_h * window->kernel_w + tap;
            add_term(&y, (double)p->w[weight] * p->x[in]);
            add_term(&s.dx[in], (double)p->w[weight] * dy);
            add_term(&s.dw[weight], (double)p->x[in] * dy);
          }
        }
        s.y[out] = y;
      }
  return s;
}

solution finished(const solution *sums, const problem *p) {
  const solution s = {copy_of(sums->y, p->y_count), copy_of(sums->dx, p->x_count),
                      copy_of(sums->dw, p->w_count), copy_of(sums->db, p->conv.y.c)};
  for (int64_t i = 0; i < p->y_count; i++) {
    if (p->y_add != NULL) add_term(&s.y[i], p->y_add[i]);
    s.y[i].sum = activated(p->activation, s.y[i].sum);
  }
  for (int64_t i = 0; i < p->x_count; i++) {
    if (p->dx_add != NULL) add_term(&s.dx[i], p->dx_add[i]);
    if (p->mask) s.dx[i].sum *= slope_at(p->x_activation, p->x[i]);
  }
  return s;
}

void free_solution(solution *s) {
  tracked_sum *sums[] = {s->y, s->dx, s->dw, s->db};
  for (int i = 0; i < 4; i++) free(sums[i]);
}

/* The values of a Winograd tile share their rounding errors, so the largest bound in a tensor
 * applies to all its values. */
static void check_values(const char *what, const problem *p, const tracked_sum *expected,
                         const float *got, int64_t count, bool exact) {
  if (exact || p->conv.algorithm == CN_DIRECT) {
    check_sums(what, expected, got, count, exact);
    return;
  }
  double *sums = calloc((size_t)count, sizeof(double)), scale = 0.0;
  if (sums == NULL) abort();
  for (int64_t i = 0; i < count; i++) {
    sums[i] = expected[i].sum;
    scale = fmax(scale, sqrt(expected[i].squares) + expected[i].largest);
  }
  check_close(what, sums, got, count, scale, p->conv.algorithm == CN_WINOGRAD_4 ? 256.0 : 32.0);
  free(sums);
}

void check_outputs(const cn_context *context, const problem *p, const solution *s, const outputs *o,
                   bool exact) {
  const cn_conv2d *c = &p->conv;
  char what[128];
  snprintf(what, sizeof what, "%s, %s, algorithm %d, y", p->t->name, features_name(context),
           (int)c->algorithm);
  float *y = new_floats(p->y_count), *dx = new_floats(p->x_count), *dw = new_floats(p->w_count);
  read_tensor(what, &c->y, p->n, o->y, y);
  check_values(what, p, s->y, y, p->y_count, exact);
  what[strlen(what) - 1] = 'x';
  read_tensor(what, &c->dx, p->n, o->dx, dx);
  check_values(what, p, s->dx, dx, p->x_count, exact);
  what[strlen(what) - 1] = 'w';
  CHECK(cn_conv2d_unpack_weights(context, c, o->dw, dw) == CN_OK, "%s", what);
  check_values(what, p, s->dw, dw, p->w_count, exact);
  what[strlen(what) - 1] = 'b';
  if (o->db != NULL) check_sums(what, s->db, o->db, c->y.c, exact);
  for (int64_t i = c->y.c; i < o->db_floats && o->db != NULL; i++)
    CHECK(o->db[i] == 0.0f, "%s: padding %lld", what, (long long)i);
  if (o->statistics != NULL) {
    float *statistics = new_floats(o->statistics_floats);
    CHECK(cn_row_statistics(context, &c->y, p->n, o->y, statistics) == CN_OK, "%s", what);
    check_same_bits("statistics of rows", statistics, o->statistics, o->statistics_floats);
    free(statistics);
  }
  /* Packing unpacked weights gives the same floats: the padding is zero. */
  float *again = new_floats(o->dw_floats);
  CHECK(cn_conv2d_pack_weights(context, c, dw, again) == CN_OK, "%s", what);
  for (int64_t i = 0; i < o->dw_floats; i++)
    if (again[i] != o->dw[i] && !(isnan(again[i]) && isnan(o->dw[i]))) {
      CHECK(false, "%s: packed gradient %lld is %g, expected %g", what, (long long)i,
            (double)o->dw[i], (double)again[i]);
      break;
    }
  free(y);
  free(dx);
  free(dw);
  free(again);
}
