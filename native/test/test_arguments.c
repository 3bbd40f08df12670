/* Invalid arguments are reported by a status before anything is written. The tables of
 * convolutions, layers and training are in files of their own. */
#include "arguments.h"

#define EXPECT(status, call)                                                                       \
  do {                                                                                             \
    const int64_t got = (call);                                                                    \
    CHECK(got == (status), "got %lld: %s", (long long)got, cn_status_text((int32_t)got));          \
  } while (0)

static void statuses_and_versions(void) {
  CHECK(cn_version() == CN_VERSION, "version %#x", (unsigned)cn_version());
  const char *unknown = cn_status_text(1);
  for (int32_t status = CN_NO_MEMORY; status <= CN_OK; status++)
    for (int32_t other = CN_NO_MEMORY; other < status; other++)
      CHECK(strcmp(cn_status_text(status), cn_status_text(other)) != 0, "status %d", (int)status);
  for (int32_t status = CN_NO_MEMORY; status <= CN_OK; status++)
    CHECK(strcmp(cn_status_text(status), unknown) != 0, "status %d", (int)status);
  CHECK(strcmp(cn_status_text(INT32_MIN), unknown) == 0, "no status");
}

static double operations;

FUNCTION(cn_kernel_feature, a.in);
FUNCTION(cn_team_size, a.in, operations);
FUNCTION(cn_fill, a.in, a.count, a.number, a.x);

static void contexts(void) {
  begin_table();
  operations = 1.0;
  valid.context.threads = 1;
  valid.x = piece(0);
  valid.count = 16;
  context_rows(&cn_fill_row);
  valid.context.features = 0;
  context_rows(&cn_kernel_feature_row);
  valid.context.serial_operations = 0;
  const function *team = &cn_team_size_row;
  ROW(team, 1, a.context.threads = 2);
  operations = 1e12;
  ROW(team, 2, a.context.threads = 2);
  ROW(team, CN_BAD_CONTEXT, a.context.threads = 0);
  ROW(team, CN_NULL_POINTER, a.in = NULL);
  ROW(team, CN_BAD_SIZE, a.context.size = 0);
  operations = 999.0;
  ROW(team, 1, a.context.threads = 2, a.context.serial_operations = 1000);
  operations = 1000.0;
  ROW(team, 2, a.context.threads = 2, a.context.serial_operations = 1000);
  operations = 1.0;
  ROW(team, 2, a.context.threads = 2, a.context.serial_operations = 1);
}

static cn_threads_options options;
static const cn_threads_options *by_options;
static cn_threads *threads, **made;

FUNCTION(cn_threads_create, by_options, made);

static void thread_options(void) {
  begin_table();
  const function *create = &cn_threads_create_row;
  const cn_threads_options good = {.size = sizeof good, .spin_microseconds = -1};
#define OPTIONS(status, ...)                                                                       \
  ROW(create, status, options = good, by_options = &options, made = &threads, __VA_ARGS__)
  OPTIONS(CN_OK, (void)0);
  EXPECT(CN_OK, cn_threads_destroy(threads));
  OPTIONS(CN_OK, options.spin_microseconds = 1000000);
  EXPECT(CN_OK, cn_threads_destroy(threads));
  OPTIONS(CN_OK, options.caller = nowhere); /* which no function takes */
  EXPECT(CN_OK, cn_threads_destroy(threads));
  threads = nowhere;
  OPTIONS(CN_NULL_POINTER, by_options = NULL);
  OPTIONS(CN_NULL_POINTER, made = NULL);
  OPTIONS(CN_BAD_SIZE, options.size = 0);
  OPTIONS(CN_BAD_SIZE, options.size = UINT32_MAX);
  OPTIONS(CN_BAD_VALUE, options.spin_microseconds = -2);
  OPTIONS(CN_BAD_VALUE, options.spin_microseconds = 1000001);
  CHECK((void *)threads == nowhere, "a refused call makes threads");
#undef OPTIONS
  EXPECT(CN_OK, cn_threads_destroy(NULL));
}

FUNCTION(cn_tensor_bytes, a.src_tensor, a.n);
FUNCTION(cn_row_statistics_bytes, a.src_tensor, a.n);
FUNCTION(cn_reorder, a.in, a.src_tensor, a.dst_tensor, a.n, a.x, a.y);
FUNCTION(cn_copy_channels, a.in, a.src_tensor, a.dst_tensor, a.n, a.from_channel, a.to_channel,
         a.channels, a.x, a.y);
FUNCTION(cn_bias_add, a.in, a.src_tensor, a.n, a.shift, a.y);
FUNCTION(cn_bias_gradient, a.in, a.src_tensor, a.n, a.dy, a.dshift);
FUNCTION(cn_row_statistics, a.in, a.src_tensor, a.n, a.x, a.mean);

static void sizes(void) {
  begin_table();
  valid.src_tensor = &a.from;
  valid.from = (cn_tensor){.c = 17, .h = 4, .w = 5, .halo = 1, .layout = CN_BLOCKED};
  const function *bytes = &cn_tensor_bytes_row, *statistics = &cn_row_statistics_bytes_row;
  ROW(bytes, 2 * 2 * 6 * 7 * 16 * 4, (void)0);
  ROW(bytes, 2 * 17 * 6 * 7 * 4, a.from.layout = CN_PLAIN);
  ROW(bytes, 2 * 2 * 4 * 5 * 16 * 4, a.from.layout = CN_FLAT, a.from.halo = 0);
  ROW(bytes, 6400 + 2 * 6 * 7 * 16 * 4, a.from.sample_stride = 6400);
  ROW(statistics, 2 * 2 * 4 * 2 * 16 * 4, (void)0);
  ROW(bytes, CN_NULL_POINTER, a.src_tensor = NULL);
  ROW(statistics, CN_NULL_POINTER, a.src_tensor = NULL);
  batch_rows(bytes);
  batch_rows(statistics);
  tensor_rows(bytes, &a.from);
  tensor_rows(statistics, &a.from);
  ROW(statistics, CN_BAD_LAYOUT, a.from.layout = CN_PLAIN);
  ROW(bytes, CN_BAD_SHAPE, a.from = (cn_tensor){.c = 1 << 24, .h = 1 << 15, .w = 1 << 15});
  ROW(bytes, 4LL * CN_MOST_SIZE, a.from = (cn_tensor){.c = 1, .h = 1, .w = CN_MOST_SIZE}, a.n = 1);
  const cn_tensor deep = {.c = CN_MOST_SIZE, .h = 1, .w = 1, .layout = CN_FLAT};
  ROW(bytes, 4LL * CN_MOST_SIZE, a.from = deep, a.n = 1);
  const cn_tensor one = {.c = 1, .h = 1, .w = 1, .layout = CN_BLOCKED};
  ROW(bytes, 64LL * CN_MOST_SIZE, a.from = one, a.n = CN_MOST_SIZE);
  ROW(statistics, 128LL * CN_MOST_SIZE, a.from = one, a.n = CN_MOST_SIZE);
}

static void layouts(void) {
  begin_table();
  valid.from = (cn_tensor){.c = 17, .h = 4, .w = 5, .halo = 1, .layout = CN_BLOCKED};
  valid.to = (cn_tensor){.c = 17, .h = 4, .w = 5, .layout = CN_PLAIN};
  valid.src_tensor = &a.from;
  valid.dst_tensor = &a.to;
  valid.x = piece(0);
  valid.y = piece(1);
  const function *reorder = &cn_reorder_row;
  context_rows(reorder);
  batch_rows(reorder);
  same_shape_rows(reorder, &a.from);
  same_shape_rows(reorder, &a.to);
  ROW(reorder, CN_NULL_POINTER, a.src_tensor = NULL);
  ROW(reorder, CN_NULL_POINTER, a.dst_tensor = NULL);
  ALIGNED(reorder, a.x);
  REQUIRED(reorder, a.y);
  ROW(reorder, CN_OK, a.y = beside(a.y, 4));

  valid.to.layout = CN_BLOCKED;
  valid.channels = 2;
  const function *copy = &cn_copy_channels_row;
  context_rows(copy);
  batch_rows(copy);
  tensor_rows(copy, &a.from);
  tensor_rows(copy, &a.to);
  ROW(copy, CN_NULL_POINTER, a.src_tensor = NULL);
  ROW(copy, CN_NULL_POINTER, a.dst_tensor = NULL);
  ALIGNED(copy, a.x);
  ALIGNED(copy, a.y);
  ROW(copy, CN_BAD_SHAPE, a.to.h++);
  ROW(copy, CN_BAD_SHAPE, a.from.w++);
  ROW(copy, CN_BAD_SHAPE, a.channels = 18);
  ROW(copy, CN_BAD_SHAPE, a.channels = 0);
  ROW(copy, CN_BAD_SHAPE, a.channels = INT32_MAX, a.from_channel = INT32_MAX);
  ROW(copy, CN_BAD_SHAPE, a.from_channel = -1);
  ROW(copy, CN_BAD_SHAPE, a.to_channel = -1);
  ROW(copy, CN_BAD_SHAPE, a.from_channel = 16);
  ROW(copy, CN_BAD_SHAPE, a.to_channel = 16);
  ROW(copy, CN_OK, a.to_channel = 15);
  ROW(copy, CN_BAD_LAYOUT, a.to.layout = CN_PLAIN);
  ROW(copy, CN_BAD_LAYOUT, a.to.layout = a.from.layout = CN_FLAT, a.to.halo = a.from.halo = 0);
  ROW(copy, CN_OK, a.to.layout = a.from.layout = CN_PLAIN);
}

static void channel_vectors(void) {
  begin_table();
  valid.from = (cn_tensor){.c = 17, .h = 4, .w = 5, .halo = 1, .layout = CN_BLOCKED};
  valid.src_tensor = &a.from;
  valid.x = valid.y = valid.dy = piece(0);
  valid.mean = valid.shift = valid.dshift = piece(1);
  const function *functions[] = {&cn_bias_add_row, &cn_bias_gradient_row, &cn_row_statistics_row};
  for (int i = 0; i < 3; i++) {
    context_rows(functions[i]);
    batch_rows(functions[i]);
    tensor_rows(functions[i], &a.from);
    ROW(functions[i], CN_NULL_POINTER, a.src_tensor = NULL);
    ROW(functions[i], CN_BAD_LAYOUT, a.from.layout = CN_PLAIN);
  }
  ALIGNED(&cn_bias_add_row, a.shift);
  ALIGNED(&cn_bias_add_row, a.y);
  ALIGNED(&cn_bias_gradient_row, a.dy);
  ALIGNED(&cn_bias_gradient_row, a.dshift);
  ALIGNED(&cn_row_statistics_row, a.x);
  ALIGNED(&cn_row_statistics_row, a.mean);
}

int main(void) {
  statuses_and_versions();
  contexts();
  thread_options();
  sizes();
  layouts();
  channel_vectors();
  conv_arguments();
  layer_arguments();
  norm_arguments();
  training_arguments();
  return verdict("arguments");
}
