/* Copies of channels, and the bias operations of a tensor, against loops in plain order. */
#include "parts.h"
#include "sum_plan.h"

typedef struct copy_case {
  int32_t n, h, w;
  int32_t from_c, to_c, from_channel, to_channel, channels;
} copy_case;

static const copy_case copies[] = {
    {1, 1, 1, 1, 1, 0, 0, 1},      {2, 3, 5, 16, 48, 0, 16, 16}, {3, 4, 1, 17, 40, 0, 5, 17},
    {2, 5, 7, 33, 33, 0, 0, 33},   {1, 2, 9, 50, 20, 18, 3, 17}, {5, 1, 1, 40, 31, 7, 0, 31},
    {2, 6, 4, 64, 35, 32, 16, 19},
};

/*
 * Channels that are not copied stay unchanged; lanes beyond the last channel and the halo are zero.
 */
static void channels_are_copied(const cn_context *context) {
  for (size_t k = 0; k < sizeof copies / sizeof copies[0]; k++)
    for (int32_t layout = CN_PLAIN; layout <= CN_BLOCKED; layout++)
      for (int32_t halos = 0; halos < 4; halos++) {
        const copy_case *c = &copies[k];
        cn_tensor from = {c->from_c, c->h, c->w, halos & 1, layout, CN_FLOAT32, 0};
        cn_tensor to = {c->to_c, c->h, c->w, halos & 2, layout, CN_FLOAT32, 0};
        if (halos == 3) from = as_slice(from), to = as_slice(to);
        const int64_t area = (int64_t)c->h * c->w, count = c->n * c->to_c * area;
        float *source = new_reals(c->n * c->from_c * area), *before = new_reals(count);
        float *expected = new_floats(count), *got = new_floats(count);
        memcpy(expected, before, (size_t)count * sizeof(float));
        for (int64_t n = 0; n < c->n; n++)
          for (int64_t i = 0; i < c->channels * area; i++)
            expected[(n * c->to_c + c->to_channel) * area + i] =
                source[(n * c->from_c + c->from_channel) * area + i];
        float *src = new_tensor(&from, c->n, source), *dst = new_tensor(&to, c->n, before);
        CHECK(cn_copy_channels(context, &from, &to, c->n, c->from_channel, c->to_channel,
                               c->channels, src, dst) == CN_OK,
              "copy %d", (int)k);
        read_tensor("copy of channels", &to, c->n, dst, got);
        check_same_bits("copy of channels", expected, got, count);
        if (c->channels == c->to_c) { /* everything is written, whatever it contained */
          fill_nan(dst, tensor_floats(&to, c->n));
          CHECK(cn_copy_channels(context, &from, &to, c->n, c->from_channel, c->to_channel,
                                 c->channels, src, dst) == CN_OK,
                "copy %d", (int)k);
          read_tensor("copy of all channels", &to, c->n, dst, got);
          check_same_bits("copy of all channels", expected, got, count);
        }
        float *all[] = {source, before, expected, got, src, dst};
        for (int i = 0; i < 6; i++) free(all[i]);
      }
}

static const int32_t shapes[][4] = {
    {1, 1, 1, 1}, {3, 17, 5, 7}, {2, 16, 4, 4}, {70, 3, 6, 1}, {2, 33, 40, 41}};

static void a_bias_is_added_and_its_gradient_summed(const cn_context *context) {
  cn_context one = *context;
  one.threads = 1;
  for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++)
    for (int32_t halo = 0; halo < 3; halo += 2) {
      const int32_t n = shapes[k][0], c = shapes[k][1], h = shapes[k][2], w = shapes[k][3];
      const cn_tensor whole = {c, h, w, halo, CN_BLOCKED, CN_FLOAT32, 0};
      const cn_tensor t = halo > 0 ? as_slice(whole) : whole;
      const int64_t area = (int64_t)h * w, count = n * c * area, lanes = (c + 15) / 16 * 16;
      float *plain = new_reals(count), *values = new_reals(c), *got = new_floats(count);
      float *expected = new_floats(count), *bias = new_channels(c, values);
      float *y = new_tensor(&t, n, plain), *db = new_floats(lanes), *same = new_floats(lanes);
      for (int64_t i = 0; i < count; i++) expected[i] = plain[i] + values[i / area % c];
      CHECK(cn_bias_gradient(context, &t, n, y, db) == CN_OK, "gradient");
      CHECK(cn_bias_gradient(&one, &t, n, y, same) == CN_OK, "gradient");
      check_same_bits("gradient of a bias", same, db, lanes);
      tracked_sum *sums = calloc((size_t)c, sizeof *sums);
      for (int64_t i = 0; i < count; i++) add_term(&sums[i / area % c], plain[i]);
      check_sums("gradient of a bias", sums, db, c, false);
      for (int64_t i = c; i < lanes; i++) CHECK(db[i] == 0, "lane %d", (int)i);
      CHECK(cn_bias_add(context, &t, n, bias, y) == CN_OK, "bias");
      read_tensor("bias", &t, n, y, got);
      check_same_bits("bias", expected, got, count);
      float *all[] = {plain, values, got, expected, bias, y, db, same};
      for (int i = 0; i < 8; i++) free(all[i]);
      free(sums);
    }
}

/* Whole numbers, whose sums are exact, in one leaf of a pairwise sum and in several. */
static void a_bias_gradient_sums_every_leaf(const cn_context *context) {
  for (int k = 0; k < WANTED; k++) {
    bool found = false;
    for (int32_t n = 1; n <= 40 && !found; n++) {
      const cn_tensor t = {19, 3, 7, 1, CN_BLOCKED, CN_FLOAT32, 0};
      const int64_t area = (int64_t)t.h * t.w, count = n * t.c * area;
      found = is_wanted(in_pieces(n * area, LEAF_TERMS), k);
      if (!found) continue;
      float *plain = new_integers(count, 9), *dy = new_tensor(&t, n, plain), *db = new_floats(32);
      tracked_sum sums[19] = {{.terms = 0}};
      for (int64_t i = 0; i < count; i++) add_term(&sums[i / area % t.c], plain[i]);
      CHECK(cn_bias_gradient(context, &t, n, dy, db) == CN_OK, "gradient");
      check_sums("leaves of a bias gradient", sums, db, t.c, true);
      free(plain);
      free(dy);
      free(db);
    }
    CHECK(found, "bias gradient: no shape has %s", wanted_names[k]);
  }
}

int main(void) {
  for (int set = 0; set < instruction_sets(); set++)
    for (int i = 0; i < THREAD_COUNTS; i++) {
      const cn_context context = context_of(set, thread_counts[i]);
      seed_values(5);
      channels_are_copied(&context);
      a_bias_is_added_and_its_gradient_summed(&context);
      a_bias_gradient_sums_every_leaf(&context);
    }
  return verdict("channels");
}
