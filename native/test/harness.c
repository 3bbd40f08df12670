#include "harness.h"

atomic_int failures = 0;
const int32_t thread_counts[THREAD_COUNTS] = {1, 2, 3, 5, 8};

int32_t next_thread_count(void) {
  static int last;
  last = last % (THREAD_COUNTS - 1) + 1;
  return thread_counts[last];
}

static const struct {
  const char *name;
  uint64_t feature;
} named_sets[] = {{"scalar", 0}, {"avx2", CN_AVX2}, {"avx512", CN_AVX512}, {"neon", CN_NEON}};
enum { NAMED_SETS = sizeof named_sets / sizeof named_sets[0] };

/* Indices in named_sets of those to test. */
static int tested_sets[NAMED_SETS], tested_count;

static void find_sets(void) {
  const char *only = getenv("CN_TEST_FEATURES");
  uint64_t unnamed = cn_cpu_features();
  for (int i = 0; i < NAMED_SETS; i++) {
    const uint64_t feature = named_sets[i].feature;
    unnamed &= ~feature;
    if ((cn_cpu_features() & feature) != feature) continue;
    if (only == NULL || strcmp(only, named_sets[i].name) == 0) tested_sets[tested_count++] = i;
  }
  CHECK(unnamed == 0, "the features %#llx have no name", (unsigned long long)unnamed);
  if (tested_count > 0) return;
  printf("this processor has no instruction set %s\n", only);
  exit(1);
}

int instruction_sets(void) {
  if (tested_count == 0) find_sets();
  return tested_count;
}

cn_context context_of(int set, int32_t threads) {
  if (set < 0 || set >= instruction_sets()) abort();
  return (cn_context){.size = sizeof(cn_context),
                      .threads = threads,
                      .features = named_sets[tested_sets[set]].feature,
                      .serial_operations = 1};
}

const char *features_name(const cn_context *context) {
  const int64_t feature = cn_kernel_feature(context);
  for (int i = 0; i < NAMED_SETS; i++)
    if ((int64_t)named_sets[i].feature == feature) return named_sets[i].name;
  return "unknown";
}

static _Thread_local uint64_t state = 1;

float *new_floats(int64_t count) { return new_bytes(count * (int64_t)sizeof(float)); }

void *new_bytes(int64_t bytes) {
  if (bytes < 0) abort();
  const size_t rounded = ((size_t)bytes + 63) / 64 * 64;
  float *p = aligned_alloc(64, rounded > 0 ? rounded : 64);
  if (p == NULL) abort();
  fill_nan(p, (int64_t)(rounded / sizeof(float)));
  return p;
}

int64_t floats_in(int64_t bytes) {
  if (bytes >= 0) return bytes / (int64_t)sizeof(float);
  printf("a query returned: %s\n", cn_status_text((int32_t)bytes));
  exit(1);
}

int64_t tensor_floats(const cn_tensor *t, int32_t n) { return floats_in(cn_tensor_bytes(t, n)); }

/* The sample stride in floats. */
static int64_t stride_floats(const cn_tensor *t) { return floats_in(t->sample_stride); }

void fill_nan(float *p, int64_t count) {
  for (int64_t i = 0; i < count; i++) p[i] = NAN;
}

void seed_values(uint64_t seed) { state = seed * 0x9E3779B97F4A7C15u + 1; }

uint64_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state >> 11;
}

float *new_integers(int64_t count, int32_t most) {
  float *p = new_floats(count);
  for (int64_t i = 0; i < count; i++)
    p[i] = (float)((int64_t)(next_random() % (uint64_t)(2 * most + 1)) - most);
  return p;
}

float *new_reals(int64_t count) {
  float *p = new_floats(count);
  for (int64_t i = 0; i < count; i++)
    p[i] = (float)((double)next_random() / 9007199254740992.0 * 2.0 - 1.0);
  return p;
}

int64_t index_of(const cn_tensor *t, int64_t n, int64_t i, int64_t c, int64_t y, int64_t x) {
  const int64_t h = t->h + 2 * t->halo, w = t->w + 2 * t->halo, blocks = (t->c + 15) / 16;
  const int64_t py = y + t->halo, px = x + t->halo;
  if (t->layout == CN_PLAIN) {
    const int64_t stride = t->sample_stride != 0 ? stride_floats(t) : t->c * h * w;
    return i * stride + (c * h + py) * w + px;
  }
  if (t->layout == CN_BLOCKED) {
    const int64_t stride = t->sample_stride != 0 ? stride_floats(t) : blocks * h * w * 16;
    return i * stride + ((c / 16 * h + py) * w + px) * 16 + c % 16;
  }
  return (((c / 16 * t->h + y) * t->w + x) * n + i) * 16 + c % 16;
}

cn_tensor as_slice(cn_tensor t) {
  t.sample_stride = 0;
  t.sample_stride =
      cn_tensor_bytes(&t, 1) + (t.layout == CN_PLAIN ? 3 : 48) * (int64_t)sizeof(float);
  return t;
}

/* Whether a float belongs to none of the samples of a slice. */
static bool is_between(const cn_tensor *t, int64_t at) {
  return t->sample_stride != 0 && at % stride_floats(t) >= tensor_floats(t, 1);
}

float *new_tensor(const cn_tensor *t, int32_t n, const float *plain) {
  const int64_t floats = tensor_floats(t, n);
  float *p = new_floats(floats);
  for (int64_t i = 0; i < floats; i++)
    if (!is_between(t, i)) p[i] = 0.0f;
  int64_t from = 0;
  for (int64_t i = 0; i < n; i++)
    for (int64_t c = 0; c < t->c; c++)
      for (int64_t y = 0; y < t->h; y++)
        for (int64_t x = 0; x < t->w; x++) p[index_of(t, n, i, c, y, x)] = plain[from++];
  return p;
}

void read_tensor(const char *what, const cn_tensor *t, int32_t n, const float *values,
                 float *plain) {
  const int64_t floats = tensor_floats(t, n);
  bool *seen = calloc((size_t)floats, sizeof(bool));
  if (seen == NULL) abort();
  int64_t to = 0;
  for (int64_t i = 0; i < n; i++)
    for (int64_t c = 0; c < t->c; c++)
      for (int64_t y = 0; y < t->h; y++)
        for (int64_t x = 0; x < t->w; x++) {
          const int64_t at = index_of(t, n, i, c, y, x);
          seen[at] = true;
          plain[to++] = values[at];
        }
  int64_t bad = 0;
  for (int64_t i = 0; i < floats; i++)
    bad += !seen[i] && (is_between(t, i) ? !isnan(values[i]) : !(values[i] == 0.0f));
  CHECK(bad == 0,
        "%s: %lld values of the halo or of padding lanes are not zero, or of others were written",
        what, (long long)bad);
  free(seen);
}

float *new_channels(int64_t count, const float *values) {
  const int64_t padded = (count + 15) / 16 * 16;
  float *p = new_floats(padded);
  for (int64_t i = 0; i < padded; i++) p[i] = i < count ? values[i] : 0.0f;
  return p;
}

void check_sums(const char *what, const tracked_sum *expected, const float *got, int64_t count,
                bool exact) {
  int64_t bad = 0, worst = 0;
  double excess = -1.0;
  for (int64_t i = 0; i < count; i++) {
    const tracked_sum *e = &expected[i];
    const double bound =
        exact ? 0.0
              : 4.0 * 0x1p-24 * sqrt((double)e->terms) * (sqrt(e->squares) + e->largest) + 1e-37;
    const double error = fabs((double)got[i] - e->sum);
    if ((double)got[i] == e->sum || (isnan(got[i]) && isnan(e->sum))) continue;
    if (isfinite(bound) && error <= bound) continue;
    bad++;
    if (!(error - bound <= excess)) {
      excess = error - bound;
      worst = i;
    }
  }
  CHECK(bad == 0, "%s: %lld of %lld values off, at %lld expected %.9g, got %.9g", what,
        (long long)bad, (long long)count, (long long)worst, expected[worst].sum,
        (double)got[worst]);
}

void check_close(const char *what, const double *expected, const float *got, int64_t count,
                 double scale, double ulps) {
  int64_t bad = 0, worst = 0;
  for (int64_t i = 0; i < count; i++) {
    const double bound = ulps * 0x1p-24 * fmax(fabs(expected[i]), scale);
    if (fabs((double)got[i] - expected[i]) <= bound) continue;
    bad++;
    worst = i;
  }
  CHECK(bad == 0, "%s: %lld of %lld values off, at %lld expected %.9g, got %.9g", what,
        (long long)bad, (long long)count, (long long)worst, expected[worst], (double)got[worst]);
}

void check_equal(const char *what, const float *expected, const float *got, int64_t count) {
  int64_t bad = 0, at = 0;
  for (int64_t i = 0; i < count; i++) {
    const bool both_nan = isnan(expected[i]) && isnan(got[i]);
    if (both_nan || memcmp(&expected[i], &got[i], sizeof(float)) == 0) continue;
    bad++;
    at = i;
  }
  CHECK(bad == 0, "%s: %lld of %lld, at %lld expected %g, got %g", what, (long long)bad,
        (long long)count, (long long)at, (double)expected[at], (double)got[at]);
}

void check_same_bits(const char *what, const float *expected, const float *got, int64_t count) {
  CHECK(memcmp(expected, got, (size_t)count * sizeof(float)) == 0,
        "%s: the bits depend on the thread count", what);
}

int verdict(const char *name) {
  printf("%s: %s\n", name, failures == 0 ? "passed" : "FAILED");
  return failures == 0 ? 0 : 1;
}

cn_activation activation_in(int32_t flags) {
  if ((flags & LEAKY_RELU) != 0) return (cn_activation){.kind = CN_LEAKY_RELU, .slope = 0.25f};
  if ((flags & RELU6) != 0) return (cn_activation){.kind = CN_RELU6};
  return (cn_activation){.kind = (flags & RELU) != 0 ? CN_RELU : CN_IDENTITY};
}

cn_activation valid_activation(int32_t kind) {
  cn_activation f = {.kind = kind};
  if (kind == CN_LEAKY_RELU) f.slope = 0.3f;
  if (kind == CN_CLIP) f.a = -1.5f;
  if (kind == CN_CLIP) f.b = 2.0f;
  if (kind == CN_ELU || kind == CN_CELU || kind == CN_SOFTPLUS) f.a = 0.75f;
  if (kind == CN_SOFTPLUS) f.b = 4.0f;
  if (kind == CN_POW) f.a = 1.5f;
  if (kind == CN_THRESHOLD) f.a = 0.25f, f.b = -1.0f;
  return f;
}

int32_t operations_in(int32_t flags) {
  return (flags & CN_BIAS) + (activation_in(flags).kind != CN_IDENTITY ? CN_ACTIVATE : 0);
}

double activated(cn_activation a, double x) {
  if (a.kind == CN_IDENTITY || isnan(x)) return x;
  if (x <= 0.0) return a.kind == CN_LEAKY_RELU ? a.slope * x : 0.0;
  return a.kind == CN_RELU6 && x >= 6.0 ? 6.0 : x;
}

double slope_at(cn_activation a, double y) {
  if (a.kind == CN_IDENTITY || isnan(y)) return 1.0;
  if (y <= 0.0) return a.kind == CN_LEAKY_RELU ? a.slope : 0.0;
  return a.kind == CN_RELU6 && y >= 6.0 ? 0.0 : 1.0;
}
