/* The collectives that data-parallel training needs, over MPI: a thin layer whose binary interface
 * does not depend on the MPI library, as that of mpi.h does.
 *
 * All functions are called by one thread, the one that calls cn_mpi_init: MPI_THREAD_FUNNELED is
 * enough, and every MPI library has it. No function but cn_mpi_init, cn_mpi_finalize and
 * cn_mpi_abort waits for another process; the others start an operation, which cn_mpi_test
 * completes. Memory belongs to the caller, and must stay where it is until the operation is
 * complete.
 *
 * Functions return CN_MPI_OK, a negative status of this library, or a positive error of MPI. */
#ifndef CONVNET_MPI_H
#define CONVNET_MPI_H

#include <stdint.h>

#if defined(__GNUC__)
#define CN_MPI_API __attribute__((visibility("default")))
#else
#define CN_MPI_API
#endif

enum {
  CN_MPI_VERSION = 1,
  CN_MPI_OK = 0,
  CN_MPI_NULL = -1,    /* a pointer is NULL */
  CN_MPI_RANGE = -2,   /* a count, a rank or a request is out of range */
  CN_MPI_STATE = -3,   /* cn_mpi_init has not been called, or has been called before */
  CN_MPI_FULL = -4,    /* CN_MPI_MOST_REQUESTS operations are in progress */
  CN_MPI_THREADS = -5, /* the MPI library cannot be called by a thread of a program with several */
  CN_MPI_MOST_REQUESTS = 1 << 16, /* rank 0 has a notice to every other one on its way */
  CN_MPI_MOST_NOTICE = 512        /* bytes of a notice */
};

/* The version of this interface, CN_MPI_VERSION. May be called at any time. */
CN_MPI_API int cn_mpi_version(void);

/* Writes what a status means, with a terminating zero. May be called at any time. */
CN_MPI_API int cn_mpi_status_text(int status, char *text, int64_t bytes);

/* Writes the name and version of the MPI library, with a terminating zero. May be called at any
 * time. */
CN_MPI_API int cn_mpi_library_text(char *text, int64_t bytes);

/* Joins the other processes of the launcher. */
CN_MPI_API int cn_mpi_init(int *rank, int *ranks);

/* Leaves them. No operation may be in progress. */
CN_MPI_API int cn_mpi_finalize(void);

/* Ends all processes of the launcher with an exit code. Does not return if it succeeds. */
CN_MPI_API int cn_mpi_abort(int code);

/* values[i] = sum over all ranks of values[i], in an order that MPI chooses. */
CN_MPI_API int cn_mpi_sum(float *values, int64_t count, int *request);

/* all[r * bytes + i] = own[i] of rank r. */
CN_MPI_API int cn_mpi_gather(const void *own, int64_t bytes, void *all, int *request);

/* received[r * bytes + i] = sent[own rank * bytes + i] of rank r. */
CN_MPI_API int cn_mpi_exchange(const void *sent, int64_t bytes, void *received, int *request);

/* values[i] = values[i] of the root. */
CN_MPI_API int cn_mpi_broadcast(void *values, int64_t bytes, int root, int *request);

/* Whether an operation is complete. If so, its request is free for another one. */
CN_MPI_API int cn_mpi_test(int request, int *complete);

/* Sends a notice to one rank, beside the collectives. It is complete when it has been received. */
CN_MPI_API int cn_mpi_send_notice(const void *notice, int64_t bytes, int rank, int *request);

/* Receives a notice if one has arrived: its sender and its length; a sender of -1 means that there
 * is none. */
CN_MPI_API int cn_mpi_receive_notice(void *notice, int64_t capacity, int *sender, int64_t *bytes);

/* Sleeps, so that a thread that polls leaves its processor to others. */
CN_MPI_API int cn_mpi_pause(int64_t microseconds);

#endif
