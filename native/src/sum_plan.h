/* How kernels divide long sums of one channel, whatever the shape. */
#ifndef CN_SUM_PLAN_H
#define CN_SUM_PLAN_H

enum {
  LEAF_TERMS = 64, /* terms of a leaf of a pairwise sum, which are summed one after the other */
  NORM_PIECE = 2 * LEAF_TERMS,       /* pixels of a row of batch norm's backward sums */
  SCALE_PIECE = 2 * LEAF_TERMS,      /* pixels of a row of the gradient of a channel's factor */
  SCALE_CHUNK = 2048,                /* pixels of a map with a sum of their own */
  STATISTICS_PIECE = 4 * LEAF_TERMS, /* pixels of a row of its statistics */
  BIAS_PIECE = 4 * LEAF_TERMS,       /* pixels of a row of a convolution's bias gradient */
  OPTIMIZER_RUN = 4096,              /* values of an item of an optimiser step */
  LOSS_PIXELS = 64,                  /* pixels of a map that softmax processes at a time */
  LOSS_KEPT = 256,                   /* classes of a row that it processes at a time */
  LOSS_MAPS = 33,                    /* maps whose exponentials it stores, and one for the others */
  LOSS_RUN = 4096,                   /* values of a run of other losses */
  LOSS_CHUNKS = 256,                 /* sums of a loss, which are added up in order */
};

#endif
