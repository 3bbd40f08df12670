/*
 * A child that is forked between two steps of training goes on with the bits of its parent, with
 * the library's threads and with a pool that existed before.
 */
#define _DEFAULT_SOURCE
#include "harness.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* A network of a convolution, its activation, and a linear layer with a softmax loss. */
enum {
  N = 6,
  SIDE = 12,
  FILTERS = 8,
  KERNEL = 5,
  CLASSES = 10,
  BEFORE = 2,
  AFTER = 3,
  LIMIT = 120
};

typedef struct network {
  cn_conv2d conv;
  cn_linear linear;
  cn_tensor features, plain, scores;
  int64_t filters, weights, y_floats; /* floats */
  float *x, *dx, *w, *v;              /* images; filters, then weights; likewise their momentum */
  int32_t labels[N];
} network;

static network new_network(void) {
  const cn_tensor y = {FILTERS, SIDE, SIDE, 0, CN_BLOCKED, 0, 0};
  const cn_tensor x = {1, SIDE, SIDE, 2, CN_PLAIN, 0, 0};
  network net = {.conv = {.size = sizeof net.conv,
                          .groups = 1,
                          .x = x,
                          .y = y,
                          .dx = x,
                          .dy = y,
                          .window = {KERNEL, KERNEL, 1, 1, 2, 2, 2, 2, 1, 1}},
                 .linear = {sizeof net.linear, CN_FLOAT32, FILTERS, SIDE, SIDE, CLASSES},
                 .features = {FILTERS, SIDE, SIDE, 0, CN_FLAT, 0, 0},
                 .plain = {CLASSES, 1, 1, 0, CN_PLAIN, 0, 0},
                 .scores = {CLASSES, 1, 1, 0, CN_FLAT, 0, 0}};
  net.filters = floats_in(cn_conv2d_weight_bytes(&net.conv));
  net.weights = floats_in(cn_linear_weight_bytes(&net.linear));
  net.y_floats = tensor_floats(&y, N);
  seed_values(9);
  float *images = new_reals(N * SIDE * SIDE), *filters = new_reals(FILTERS * KERNEL * KERNEL);
  float *weights = new_reals(FILTERS * SIDE * SIDE * CLASSES);
  net.x = new_tensor(&x, N, images);
  net.w = new_floats(net.filters + net.weights);
  net.v = new_floats(net.filters + net.weights);
  for (int64_t i = 0; i < net.filters + net.weights; i++) net.v[i] = 0.0f;
  const cn_context one = context_of(0, 1);
  CHECK(cn_conv2d_pack_weights(&one, &net.conv, filters, net.w) == CN_OK, "filters");
  CHECK(cn_linear_pack_weights(&one, &net.linear, weights, net.w + net.filters) == CN_OK,
        "weights");
  for (int i = 0; i < N; i++) net.labels[i] = i * 3 % CLASSES;
  free(images);
  free(filters);
  free(weights);
  return net;
}

static void *conv_workspace(const cn_context *context, const network *net, int32_t pass,
                            int64_t *bytes) {
  cn_conv2d_variant v = {.size = sizeof v};
  CHECK(cn_conv2d_describe(context, &net->conv, NULL, pass, N, &v) == CN_OK, "pass %d", (int)pass);
  *bytes = v.workspace;
  return new_bytes(v.workspace);
}

static void *linear_workspace(const cn_context *context, const network *net, int32_t pass,
                              int64_t *bytes) {
  *bytes = cn_linear_workspace_bytes(context, &net->linear, pass, N);
  return new_bytes(*bytes);
}

static cn_gradients step_of(float *w, float *v) {
  return (cn_gradients){.size = sizeof(cn_gradients),
                        .operations = CN_UPDATE,
                        .optimizer = {.kind = CN_SGD, .momentum = 0.9},
                        .weights = {.values = w, .states = {v}, .learning_rate = 0.01f}};
}

#define RUN(call) CHECK((call) == CN_OK, #call)

static void train(const cn_context *context, network *net) {
  const cn_epilogue relu = {
      .size = sizeof relu, .operations = CN_ACTIVATE, .activation = {.kind = CN_RELU}};
  const cn_elementwise slope = {.size = sizeof slope,
                                .a = net->conv.y,
                                .b = net->conv.y,
                                .out = net->conv.y,
                                .activation = relu.activation};
  const cn_loss loss = {.size = sizeof loss,
                        .kind = CN_SOFTMAX_CROSS_ENTROPY,
                        .classes = CLASSES,
                        .pixels = 1,
                        .gradient = 1};
  float *y = new_floats(net->y_floats), *dy = new_floats(net->y_floats);
  float *features = new_floats(tensor_floats(&net->features, N));
  float *dfeatures = new_floats(tensor_floats(&net->features, N));
  float *scores = new_floats(16 * N), *dscores = new_floats(16 * N);
  float plain[N * CLASSES], dplain[N * CLASSES], *w = net->w, *weights = net->w + net->filters;
  const cn_gradients conv_step = step_of(w, net->v),
                     linear_step = step_of(weights, net->v + net->filters);
  double value;
  int64_t bytes[4];
  void *rooms[] = {conv_workspace(context, net, CN_FORWARD, &bytes[0]),
                   conv_workspace(context, net, CN_BACKWARD_WEIGHTS, &bytes[1]),
                   linear_workspace(context, net, CN_BACKWARD_DATA, &bytes[2]),
                   linear_workspace(context, net, CN_BACKWARD_WEIGHTS, &bytes[3])};
  RUN(cn_conv2d_forward(context, &net->conv, &relu, N, net->x, w, y, rooms[0], bytes[0]));
  RUN(cn_reorder(context, &net->conv.y, &net->features, N, y, features));
  RUN(cn_linear_forward(context, &net->linear, NULL, N, features, weights, scores, NULL, 0));
  RUN(cn_reorder(context, &net->scores, &net->plain, N, scores, plain));
  RUN(cn_loss_evaluate(context, &loss, N, plain, net->labels, NULL, &value, dplain));
  RUN(cn_reorder(context, &net->plain, &net->scores, N, dplain, dscores));
  RUN(cn_linear_backward_data(context, &net->linear, N, dscores, weights, dfeatures, rooms[2],
                              bytes[2]));
  RUN(cn_linear_backward_weights(context, &net->linear, NULL, N, features, dscores, &linear_step,
                                 rooms[3], bytes[3]));
  RUN(cn_reorder(context, &net->features, &net->conv.y, N, dfeatures, dy));
  RUN(cn_activation_backward(context, &slope, N, y, dy, dy));
  RUN(cn_conv2d_backward_weights(context, &net->conv, NULL, N, net->x, dy, &conv_step, rooms[1],
                                 bytes[1]));
  CHECK(value > 0.0 && value < 100.0, "the loss is %g", value);
  float *all[] = {y, dy, features, dfeatures, scores, dscores};
  for (int i = 0; i < 6; i++) free(all[i]);
  for (int i = 0; i < 4; i++) free(rooms[i]);
}

static void a_forked_child_trains_on(int set, cn_threads *pool) {
  cn_context context = context_of(set, THREADS);
  context.pool = pool;
  network net = new_network();
  const size_t bytes = (size_t)(net.filters + net.weights) * sizeof(float);
  float *of_child = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (of_child == MAP_FAILED) abort();
  for (int i = 0; i < BEFORE; i++) train(&context, &net);
  float *at_fork = new_floats(net.filters + net.weights);
  memcpy(at_fork, net.w, bytes);
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    alarm(LIMIT); /* ends a child that hangs */
    for (int i = 0; i < AFTER; i++) train(&context, &net);
    memcpy(of_child, net.w, bytes);
    fflush(stdout);
    _exit(failures == 0 ? 0 : 1);
  }
  CHECK(child > 0, "fork");
  for (int i = 0; i < AFTER; i++) train(&context, &net);
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && status == 0, "%s: the child ended with %d",
        features_name(&context), status);
  CHECK(memcmp(net.w, at_fork, bytes) != 0, "nothing was learned");
  CHECK(memcmp(net.w, of_child, bytes) == 0, "%s: the child has other weights",
        features_name(&context));
  munmap(of_child, bytes);
  float *all[] = {net.x, net.w, net.v, at_fork};
  for (int i = 0; i < 4; i++) free(all[i]);
}

int main(void) {
  const cn_threads_options options = {.size = sizeof options, .spin_microseconds = -1};
  cn_threads *pool;
  CHECK(cn_threads_create(&options, &pool) == CN_OK, "pool");
  for (int set = 0; set < instruction_sets(); set++) {
    a_forked_child_trains_on(set, NULL);
    a_forked_child_trains_on(set, pool);
  }
  CHECK(cn_threads_destroy(pool) == CN_OK, "pool");
  return verdict("fork");
}
