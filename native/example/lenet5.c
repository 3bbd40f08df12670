/*
 * Trains LeNet-5 with nothing but convnet.h and the C library.
 *
 *   lenet5 [-t threads] [-e epochs] [-s seed] [folder]
 *
 * The folder has the four files of MNIST or Fashion-MNIST, uncompressed. Without a folder, the
 * network learns to tell the angles of noisy bars. The output depends on the seed, the epochs and
 * the data, but not on the number of threads.
 *
 * plan_network describes the layers, asks what their kernels need and takes memory for them;
 * forward and backward run the kernels.
 */
#include "images.h"

#include <convnet.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64, BLOCKS = 2, LINEARS = 3 };

static const float learning_rate = 0.02f;
static const cn_optimizer sgd = {.kind = CN_SGD, .momentum = 0.9};

/* Ends the program if a call returned an error; else returns the result, the size of a query. */
static int64_t check(int64_t result, const char *call) {
  if (result >= 0) return result;
  fprintf(stderr, "%s: %s\n", call, cn_status_text((int32_t)result));
  exit(1);
}
#define TRY(call) check(call, #call)

/* ---- The network ----------------------------------------------------------------------------- */

/* A 5 x 5 convolution with bias, ReLU and 2 x 2 max pooling. Each pass has its own descriptors,
 * because its fastest algorithm may differ, and only some kernels include the pool. */
typedef struct conv_block {
  cn_conv2d conv[3];       /* indexed by cn_pass */
  cn_epilogue epilogue[3]; /* with CN_POOL where the kernel includes the pool */
  cn_pool2d pool;
  cn_gradients gradients;
  uint8_t *winners;
  void *map, *dmap; /* between convolution and pool, if a pass has separate kernels for them */
  void *y, *dy;     /* behind the pool */
} conv_block;

/* A linear layer with bias and, except for the last, ReLU. */
typedef struct linear_layer {
  cn_linear linear;
  cn_epilogue epilogue;
  cn_elementwise relu;
  cn_gradients gradients;
  void *x, *dx, *y, *dy;
} linear_layer;

typedef struct network {
  cn_context context;
  cn_tensor image, flat, flat_scores, scores;
  conv_block blocks[BLOCKS];
  linear_layer linears[LINEARS];
  cn_loss loss;
  float *images, *x; /* a batch as it is read, and with the halo that the first kernel wants */
  float *output, *doutput;
  int32_t *labels;
  void *workspace; /* for all calls, because they run one after the other */
  int64_t workspace_bytes;
  char *memory; /* one allocation for all of the above; null while its size is determined */
  int64_t bytes;
} network;

static void *take(network *net, int64_t bytes) {
  void *taken = net->memory == NULL ? NULL : net->memory + net->bytes;
  net->bytes += (bytes + 63) / 64 * 64;
  return taken;
}

static void *take_tensor(network *net, const cn_tensor *tensor) {
  return take(net, TRY(cn_tensor_bytes(tensor, BATCH)));
}

static void want_workspace(network *net, int64_t bytes) {
  if (net->workspace_bytes < bytes) net->workspace_bytes = bytes;
}

static cn_tensor tensor(cn_layout layout, int32_t c, int32_t h, int32_t w) {
  return (cn_tensor){.c = c, .h = h, .w = w, .layout = layout, .type = CN_FLOAT32};
}

/* The parameters take an optimiser step in the kernel that computes their gradient. Each needs a
 * velocity, which is the state of the rule. */
static cn_gradients take_parameters(network *net, int64_t weight_bytes, int32_t outputs) {
  const int64_t bias_bytes =
      (outputs + CN_BLOCK - 1) / CN_BLOCK * CN_BLOCK * (int64_t)sizeof(float);
  cn_gradients gradients = {.size = sizeof gradients, .operations = CN_UPDATE, .optimizer = sgd};
  cn_parameter *weights = &gradients.weights, *bias = &gradients.bias;
  weights->values = take(net, weight_bytes);
  weights->states[0] = take(net, weight_bytes);
  bias->values = take(net, bias_bytes);
  bias->states[0] = take(net, bias_bytes);
  weights->learning_rate = bias->learning_rate = learning_rate;
  return gradients;
}

/* The halo with which the kernel of a pass reads its input in place. */
static int32_t halo_of(const network *net, const cn_conv2d *conv, cn_pass pass) {
  cn_conv2d_variant variant = {.size = sizeof variant};
  TRY(cn_conv2d_describe(&net->context, conv, NULL, pass, BATCH, &variant));
  return variant.halo;
}

static cn_conv2d conv_of(const network *net, cn_tensor x, int32_t filters, int32_t padding) {
  cn_conv2d conv = {.size = sizeof conv, .groups = 1, .x = x};
  conv.window = (cn_window){5, 5, 1, 1, padding, padding, padding, padding, 1, 1};
  conv.y = tensor(CN_BLOCKED, filters, x.h + 2 * padding - 4, x.w + 2 * padding - 4);
  conv.dy = conv.y;
  conv.x.layout = (int32_t)TRY(cn_conv2d_layout(&conv));
  conv.x.halo = halo_of(net, &conv, CN_FORWARD);
  conv.dx = conv.x;
  if (conv.x.layout == CN_BLOCKED) conv.dy.halo = halo_of(net, &conv, CN_BACKWARD_DATA);
  return conv;
}

/* Chooses the fastest algorithm of a pass; false if no kernel computes it with the epilogue. */
static bool choose(network *net, cn_conv2d *conv, const cn_epilogue *epilogue, cn_pass pass) {
  cn_conv2d_variant best = {.size = 0};
  cn_conv2d trial = *conv;
  for (trial.algorithm = 0; trial.algorithm < CN_ALGORITHMS; trial.algorithm++) {
    cn_conv2d_variant variant = {.size = sizeof variant};
    const int32_t status =
        cn_conv2d_describe(&net->context, &trial, epilogue, pass, BATCH, &variant);
    if (status == CN_UNSUPPORTED) continue;
    check(status, "cn_conv2d_describe");
    if (best.size != 0 && variant.nanoseconds >= best.nanoseconds) continue;
    best = variant;
    *conv = trial;
  }
  want_workspace(net, best.workspace);
  return best.size != 0;
}

static void plan_pass(network *net, conv_block *b, cn_pass pass, int32_t operations) {
  cn_epilogue *epilogue = &b->epilogue[pass];
  *epilogue = (cn_epilogue){.size = sizeof *epilogue, .operations = operations, .pool = &b->pool};
  epilogue->activation.kind = CN_RELU;
  epilogue->bias = b->gradients.bias.values;
  epilogue->winners = b->winners;
  if (choose(net, &b->conv[pass], epilogue, pass)) return;
  epilogue->operations &= ~CN_POOL; /* then the pool is a call of its own */
  if (!choose(net, &b->conv[pass], epilogue, pass)) check(CN_UNSUPPORTED, "choose");
}

static void plan_block(network *net, conv_block *b, cn_conv2d conv, cn_tensor y) {
  for (int pass = 0; pass < 3; pass++) b->conv[pass] = conv;
  /* The ReLU before the pool is named, so that the winners include its slope. */
  b->pool = (cn_pool2d){.size = sizeof b->pool, .kind = CN_POOL_MAX, .winners = 1};
  b->pool.x = conv.y, b->pool.dx = conv.dy, b->pool.y = b->pool.dy = y;
  b->pool.window = (cn_window){2, 2, 2, 2, 0, 0, 0, 0, 1, 1};
  b->pool.activation.kind = CN_RELU;
  b->gradients = take_parameters(net, TRY(cn_conv2d_weight_bytes(&conv)), conv.y.c);
  b->winners = take(net, TRY(cn_pool2d_winner_bytes(&b->pool, BATCH)));
  b->map = take_tensor(net, &conv.y);
  b->dmap = take_tensor(net, &conv.dy);
  b->y = take_tensor(net, &y);
  b->dy = take_tensor(net, &y);
  plan_pass(net, b, CN_FORWARD, CN_BIAS | CN_ACTIVATE | CN_POOL);
  if (b != net->blocks) plan_pass(net, b, CN_BACKWARD_DATA, 0);
  plan_pass(net, b, CN_BACKWARD_WEIGHTS, b == net->blocks ? CN_BIAS | CN_POOL : CN_BIAS);
}

static void plan_linear(network *net, linear_layer *l, cn_tensor x, int32_t outputs) {
  const cn_tensor y = tensor(CN_FLAT, outputs, 1, 1);
  const bool last = l == net->linears + LINEARS - 1;
  l->linear = (cn_linear){.size = sizeof l->linear, .type = CN_FLOAT32, .outputs = outputs};
  l->linear.c = x.c, l->linear.h = x.h, l->linear.w = x.w;
  l->gradients = take_parameters(net, TRY(cn_linear_weight_bytes(&l->linear)), outputs);
  l->epilogue = (cn_epilogue){.size = sizeof l->epilogue, .bias = l->gradients.bias.values};
  l->epilogue.operations = last ? CN_BIAS : CN_BIAS | CN_ACTIVATE;
  l->epilogue.activation.kind = CN_RELU;
  l->relu = (cn_elementwise){.size = sizeof l->relu, .a = y, .b = y, .out = y};
  l->relu.activation.kind = CN_RELU;
  l->x = l == net->linears ? take_tensor(net, &x) : l[-1].y;
  l->dx = l == net->linears ? take_tensor(net, &x) : l[-1].dy;
  l->y = take_tensor(net, &y);
  l->dy = take_tensor(net, &y);
  for (int pass = 0; pass < 3; pass++)
    want_workspace(net, TRY(cn_linear_workspace_bytes(&net->context, &l->linear, pass, BATCH)));
}

/* Without memory, this determines its size. */
static void plan_network(network *net) {
  net->bytes = 0;
  net->image = tensor(CN_PLAIN, 1, SIDE, SIDE);
  const cn_conv2d first = conv_of(net, net->image, 6, 2);
  const cn_conv2d second = conv_of(net, tensor(CN_BLOCKED, 6, SIDE / 2, SIDE / 2), 16, 0);
  const cn_tensor features = tensor(CN_BLOCKED, 16, second.y.h / 2, second.y.w / 2);
  plan_block(net, &net->blocks[0], first, second.x);
  plan_block(net, &net->blocks[1], second, features);
  net->flat = tensor(CN_FLAT, features.c, features.h, features.w);
  plan_linear(net, &net->linears[0], net->flat, 120);
  plan_linear(net, &net->linears[1], tensor(CN_FLAT, 120, 1, 1), 84);
  plan_linear(net, &net->linears[2], tensor(CN_FLAT, 84, 1, 1), CLASSES);
  net->flat_scores = tensor(CN_FLAT, CLASSES, 1, 1);
  net->scores = tensor(CN_PLAIN, CLASSES, 1, 1);
  net->loss = (cn_loss){.size = sizeof net->loss, .kind = CN_SOFTMAX_CROSS_ENTROPY};
  net->loss.classes = CLASSES, net->loss.pixels = 1, net->loss.gradient = 1;
  net->images = take_tensor(net, &net->image);
  net->x = take_tensor(net, &first.x);
  net->output = take_tensor(net, &net->scores);
  net->doutput = take_tensor(net, &net->scores);
  net->labels = take(net, BATCH * (int64_t)sizeof(int32_t));
  net->workspace = take(net, net->workspace_bytes);
}

/* ---- Passes ---------------------------------------------------------------------------------- */

/* Convolutions pass on blocks of channels. Linear layers have a layout of their own, and images and
 * scores are plain: reorders are in between. */
static void forward(network *net, int32_t n) {
  const cn_context *context = &net->context;
  const cn_conv2d *first = &net->blocks[0].conv[CN_FORWARD];
  TRY(cn_reorder(context, &net->image, &first->x, n, net->images, net->x));
  const void *x = net->x;
  for (conv_block *b = net->blocks; b < net->blocks + BLOCKS; b++) {
    const cn_epilogue *epilogue = &b->epilogue[CN_FORWARD];
    const bool pools = (epilogue->operations & CN_POOL) != 0;
    TRY(cn_conv2d_forward(context, &b->conv[CN_FORWARD], epilogue, n, x,
                          b->gradients.weights.values, pools ? b->y : b->map, net->workspace,
                          net->workspace_bytes));
    if (!pools) TRY(cn_pool2d_forward(context, &b->pool, n, b->map, b->y, b->winners));
    x = b->y;
  }
  const cn_tensor *features = &net->blocks[BLOCKS - 1].pool.y;
  TRY(cn_reorder(context, features, &net->flat, n, x, net->linears[0].x));
  for (linear_layer *l = net->linears; l < net->linears + LINEARS; l++)
    TRY(cn_linear_forward(context, &l->linear, &l->epilogue, n, l->x, l->gradients.weights.values,
                          l->y, net->workspace, net->workspace_bytes));
  TRY(cn_reorder(context, &net->flat_scores, &net->scores, n, net->linears[LINEARS - 1].y,
                 net->output));
}

/* Backward from doutput; every parameter takes its step. The gradient of a layer's input is
 * computed first, from the weights of the forward pass. */
static void backward(network *net, int32_t n) {
  const cn_context *context = &net->context;
  const cn_epilogue bias = {.size = sizeof bias, .operations = CN_BIAS};
  TRY(cn_reorder(context, &net->scores, &net->flat_scores, n, net->doutput,
                 net->linears[LINEARS - 1].dy));
  for (int i = LINEARS - 1; i >= 0; i--) {
    const linear_layer *l = &net->linears[i];
    if (i != LINEARS - 1) TRY(cn_activation_backward(context, &l->relu, n, l->y, l->dy, l->dy));
    TRY(cn_linear_backward_data(context, &l->linear, n, l->dy, l->gradients.weights.values, l->dx,
                                net->workspace, net->workspace_bytes));
    TRY(cn_linear_backward_weights(context, &l->linear, &bias, n, l->x, l->dy, &l->gradients,
                                   net->workspace, net->workspace_bytes));
  }
  const conv_block *last = &net->blocks[BLOCKS - 1];
  TRY(cn_reorder(context, &net->flat, &last->pool.y, n, net->linears[0].dx, last->dy));
  for (int i = BLOCKS - 1; i >= 0; i--) {
    const conv_block *b = &net->blocks[i];
    const cn_epilogue *epilogue = &b->epilogue[CN_BACKWARD_WEIGHTS];
    const bool first = i == 0, pools = (epilogue->operations & CN_POOL) != 0;
    if (!pools) TRY(cn_pool2d_backward(context, &b->pool, n, NULL, b->winners, b->dy, b->dmap));
    if (!first)
      TRY(cn_conv2d_backward_data(context, &b->conv[CN_BACKWARD_DATA], NULL, n, b->dmap,
                                  b->gradients.weights.values, b[-1].dy, net->workspace,
                                  net->workspace_bytes));
    TRY(cn_conv2d_backward_weights(context, &b->conv[CN_BACKWARD_WEIGHTS], epilogue, n,
                                   first ? net->x : b[-1].y, pools ? b->dy : b->dmap, &b->gradients,
                                   net->workspace, net->workspace_bytes));
  }
}

/* He et al., "Delving deep into rectifiers", 2015: uniform, with variance 2 / inputs. */
static void draw_weights(float *plain, int32_t outputs, int32_t inputs, uint64_t *seed) {
  const float bound = sqrtf(6.0f / (float)inputs);
  for (int32_t i = 0; i < outputs * inputs; i++) plain[i] = random_real(seed, bound);
}

/* Biases and velocities are zero. */
static void initialize(network *net, uint64_t seed) {
  float *plain = allocate(120 * 400 * (int64_t)sizeof(float)); /* the largest layer */
  for (const conv_block *b = net->blocks; b < net->blocks + BLOCKS; b++) {
    draw_weights(plain, b->conv->y.c, 25 * b->conv->x.c, &seed);
    TRY(cn_conv2d_pack_weights(&net->context, b->conv, plain, b->gradients.weights.values));
  }
  for (const linear_layer *l = net->linears; l < net->linears + LINEARS; l++) {
    draw_weights(plain, l->linear.outputs, l->linear.c * l->linear.h * l->linear.w, &seed);
    TRY(cn_linear_pack_weights(&net->context, &l->linear, plain, l->gradients.weights.values));
  }
  free(plain);
}

/* ---- Training -------------------------------------------------------------------------------- */

/* Loads n images, numbered by `order`, and returns their loss; *correct grows by the images whose
 * label has the highest score. */
static double evaluate(network *net, const image_set *set, const int32_t *order, int32_t n,
                       int32_t *correct) {
  double loss;
  for (int32_t i = 0; i < n; i++) {
    const uint8_t *image = set->images + (int64_t)order[i] * PIXELS;
    for (int p = 0; p < PIXELS; p++) net->images[i * PIXELS + p] = (float)image[p] / 127.5f - 1.0f;
    net->labels[i] = set->labels[order[i]];
  }
  forward(net, n);
  TRY(cn_loss_evaluate(&net->context, &net->loss, n, net->output, net->labels, NULL, &loss,
                       net->doutput));
  for (int32_t i = 0; i < n; i++) {
    const float *scores = net->output + (int64_t)i * CLASSES;
    int best = 0;
    for (int k = 1; k < CLASSES; k++)
      if (scores[k] > scores[best]) best = k;
    *correct += best == net->labels[i];
  }
  return loss;
}

static int32_t min_of(int32_t a, int32_t b) { return a < b ? a : b; }

static void train(network *net, const image_set *train_set, const image_set *test_set,
                  int32_t epochs, uint64_t seed) {
  const int32_t most = train_set->count > test_set->count ? train_set->count : test_set->count;
  int32_t *order = allocate(most * (int64_t)sizeof(int32_t));
  for (int32_t epoch = 1; epoch <= epochs; epoch++) {
    int32_t hits = 0, ignored = 0;
    double sum = 0.0;
    for (int32_t i = 0; i < train_set->count; i++) { /* Fisher and Yates's shuffle */
      const int32_t j = (int32_t)(random_bits(&seed) % (uint64_t)(i + 1));
      order[i] = order[j];
      order[j] = i;
    }
    for (int32_t i = 0; i < train_set->count; i += BATCH) {
      const int32_t n = min_of(BATCH, train_set->count - i);
      sum += n * evaluate(net, train_set, order + i, n, &ignored);
      backward(net, n);
    }
    for (int32_t i = 0; i < test_set->count; i++) order[i] = i;
    for (int32_t i = 0; i < test_set->count; i += BATCH)
      evaluate(net, test_set, order + i, min_of(BATCH, test_set->count - i), &hits);
    printf("epoch %d: loss %.17g, %d of %d test images correct\n", epoch, sum / train_set->count,
           hits, test_set->count);
    fflush(stdout);
  }
  free(order);
}

int main(int argc, char **argv) {
  int32_t threads = 4, epochs = 5;
  uint64_t seed = 1;
  int i = 1;
  for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
    const long value = strtol(argv[i + 1], NULL, 10);
    if (strcmp(argv[i], "-t") == 0)
      threads = (int32_t)value;
    else if (strcmp(argv[i], "-e") == 0)
      epochs = (int32_t)value;
    else if (strcmp(argv[i], "-s") == 0)
      seed = (uint64_t)value;
    else
      break;
  }
  if (argc - i > 1 || (i < argc && argv[i][0] == '-'))
    fail("lenet5 [-t threads] [-e epochs] [-s seed] [folder]", "usage");
  if (cn_version() >> 16 != CN_VERSION_MAJOR || cn_version() < CN_VERSION)
    fail("older than this program, or of another major version", "the library");

  const bool drawn = i == argc;
  image_set train_set =
      drawn ? draw_images(2000, seed)
            : read_images(argv[i], "train-images-idx3-ubyte", "train-labels-idx1-ubyte");
  image_set test_set =
      drawn ? draw_images(1000, ~seed)
            : read_images(argv[i], "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte");

  static network net;
  net.context = (cn_context){.size = sizeof net.context, .threads = threads};
  net.context.features = cn_cpu_features();
  plan_network(&net);
  char *block = allocate(net.bytes + 63);
  net.memory = block + (64 - (uintptr_t)block % 64) % 64; /* aligned as the library demands */
  memset(net.memory, 0, (size_t)net.bytes);
  plan_network(&net);
  initialize(&net, seed);
  train(&net, &train_set, &test_set, epochs, seed);

  free(block);
  free(train_set.images), free(train_set.labels);
  free(test_set.images), free(test_set.labels);
  return 0;
}
