#define _POSIX_C_SOURCE 200809L
#define OMPI_SKIP_MPICXX 1

#include "convnet_mpi.h"

#include <limits.h>
#include <mpi.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { TAG_NOTICE = 1, MICROSECONDS = 1000000, NANOSECONDS = 1000 };

/* Collectives and notices have communicators of their own, so that they cannot be mistaken for one
 * another, or for what else the process does with MPI. */
static MPI_Comm collectives, notices;
static MPI_Request requests[CN_MPI_MOST_REQUESTS];
static int is_used[CN_MPI_MOST_REQUESTS];
static int next_request; /* where the search for a free one begins */
static int is_ready, own_rank, rank_count;

static int check_bytes(const void *memory, int64_t bytes) {
  if (!is_ready) return CN_MPI_STATE;
  if (memory == NULL) return CN_MPI_NULL;
  return bytes < 0 || bytes > INT_MAX ? CN_MPI_RANGE : CN_MPI_OK;
}

/* The memory of a collective in which each rank has a part of so many bytes. */
static int check_parts(const void *part, const void *all, int64_t bytes) {
  if (all == NULL) return CN_MPI_NULL;
  return check_bytes(part, bytes);
}

/* Finds room for a request, which is used once the operation has started. */
static int find_request(int *request) {
  if (request == NULL) return CN_MPI_NULL;
  for (int i = 0; i < CN_MPI_MOST_REQUESTS; i++) {
    const int found = next_request;
    next_request = (next_request + 1) % CN_MPI_MOST_REQUESTS;
    if (is_used[found]) continue;
    *request = found;
    return CN_MPI_OK;
  }
  return CN_MPI_FULL;
}

static int started(int status, const int *request) {
  is_used[*request] = status == MPI_SUCCESS;
  return status;
}

static int copy_text(const char *source, char *text, int64_t bytes) {
  if (text == NULL) return CN_MPI_NULL;
  if (bytes < 1) return CN_MPI_RANGE;
  size_t length = strlen(source), room = (size_t)bytes - 1;
  if (length > room) length = room;
  memcpy(text, source, length);
  text[length] = 0;
  return CN_MPI_OK;
}

int cn_mpi_version(void) { return CN_MPI_VERSION; }

int cn_mpi_status_text(int status, char *text, int64_t bytes) {
  char said[MPI_MAX_ERROR_STRING + 1] = "an unknown error";
  int length = 0;
  switch (status) {
  case CN_MPI_OK:
    return copy_text("no error", text, bytes);
  case CN_MPI_NULL:
    return copy_text("a pointer is NULL", text, bytes);
  case CN_MPI_RANGE:
    return copy_text("a count, a rank or a request is out of range", text, bytes);
  case CN_MPI_STATE:
    return copy_text("MPI is not initialised, or already was", text, bytes);
  case CN_MPI_FULL:
    return copy_text("too many operations are in progress", text, bytes);
  case CN_MPI_THREADS:
    return copy_text("this MPI library has no MPI_THREAD_FUNNELED", text, bytes);
  default:
    break;
  }
  if (status > 0) (void)MPI_Error_string(status, said, &length);
  return copy_text(said, text, bytes);
}

int cn_mpi_library_text(char *text, int64_t bytes) {
  char version[MPI_MAX_LIBRARY_VERSION_STRING + 1] = "";
  int length = 0;
  int status = MPI_Get_library_version(version, &length);
  return status == MPI_SUCCESS ? copy_text(version, text, bytes) : status;
}

int cn_mpi_init(int *rank, int *ranks) {
  int was_initialized = 0, level = 0;
  if (rank == NULL || ranks == NULL) return CN_MPI_NULL;
  int status = MPI_Initialized(&was_initialized);
  if (status != MPI_SUCCESS) return status;
  if (was_initialized) return CN_MPI_STATE;
  status = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level);
  if (status != MPI_SUCCESS) return status;
  if (level < MPI_THREAD_FUNNELED) return CN_MPI_THREADS;
  if ((status = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN)) != MPI_SUCCESS ||
      (status = MPI_Comm_dup(MPI_COMM_WORLD, &collectives)) != MPI_SUCCESS ||
      (status = MPI_Comm_dup(MPI_COMM_WORLD, &notices)) != MPI_SUCCESS ||
      (status = MPI_Comm_set_errhandler(collectives, MPI_ERRORS_RETURN)) != MPI_SUCCESS ||
      (status = MPI_Comm_set_errhandler(notices, MPI_ERRORS_RETURN)) != MPI_SUCCESS ||
      (status = MPI_Comm_rank(collectives, &own_rank)) != MPI_SUCCESS ||
      (status = MPI_Comm_size(collectives, &rank_count)) != MPI_SUCCESS)
    return status;
  *rank = own_rank;
  *ranks = rank_count;
  is_ready = 1;
  return CN_MPI_OK;
}

int cn_mpi_finalize(void) {
  if (!is_ready) return CN_MPI_STATE;
  is_ready = 0;
  return MPI_Finalize();
}

int cn_mpi_abort(int code) { return is_ready ? MPI_Abort(MPI_COMM_WORLD, code) : CN_MPI_STATE; }

int cn_mpi_sum(float *values, int64_t count, int *request) {
  int status = check_bytes(values, count);
  if (status == CN_MPI_OK) status = find_request(request);
  if (status != CN_MPI_OK) return status;
  return started(MPI_Iallreduce(MPI_IN_PLACE, values, (int)count, MPI_FLOAT, MPI_SUM, collectives,
                                &requests[*request]),
                 request);
}

int cn_mpi_gather(const void *own, int64_t bytes, void *all, int *request) {
  int status = check_parts(own, all, bytes);
  if (status == CN_MPI_OK) status = find_request(request);
  if (status != CN_MPI_OK) return status;
  return started(MPI_Iallgather(own, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, collectives,
                                &requests[*request]),
                 request);
}

int cn_mpi_exchange(const void *sent, int64_t bytes, void *received, int *request) {
  int status = check_parts(sent, received, bytes);
  if (status == CN_MPI_OK) status = find_request(request);
  if (status != CN_MPI_OK) return status;
  return started(MPI_Ialltoall(sent, (int)bytes, MPI_BYTE, received, (int)bytes, MPI_BYTE,
                               collectives, &requests[*request]),
                 request);
}

int cn_mpi_broadcast(void *values, int64_t bytes, int root, int *request) {
  int status = check_bytes(values, bytes);
  if (status == CN_MPI_OK && (root < 0 || root >= rank_count)) status = CN_MPI_RANGE;
  if (status == CN_MPI_OK) status = find_request(request);
  if (status != CN_MPI_OK) return status;
  return started(MPI_Ibcast(values, (int)bytes, MPI_BYTE, root, collectives, &requests[*request]),
                 request);
}

int cn_mpi_test(int request, int *complete) {
  if (!is_ready) return CN_MPI_STATE;
  if (complete == NULL) return CN_MPI_NULL;
  if (request < 0 || request >= CN_MPI_MOST_REQUESTS || !is_used[request]) return CN_MPI_RANGE;
  int status = MPI_Test(&requests[request], complete, MPI_STATUS_IGNORE);
  if (status != MPI_SUCCESS || *complete) is_used[request] = 0;
  return status;
}

int cn_mpi_send_notice(const void *notice, int64_t bytes, int rank, int *request) {
  int status = check_bytes(notice, bytes);
  if (status == CN_MPI_OK && (bytes > CN_MPI_MOST_NOTICE || rank < 0 || rank >= rank_count))
    status = CN_MPI_RANGE;
  if (status == CN_MPI_OK) status = find_request(request);
  if (status != CN_MPI_OK) return status;
  return started(
      MPI_Issend(notice, (int)bytes, MPI_BYTE, rank, TAG_NOTICE, notices, &requests[*request]),
      request);
}

int cn_mpi_receive_notice(void *notice, int64_t capacity, int *sender, int64_t *bytes) {
  int status = check_bytes(notice, capacity), has_arrived = 0, count = 0;
  if (status == CN_MPI_OK && (sender == NULL || bytes == NULL)) status = CN_MPI_NULL;
  if (status == CN_MPI_OK && capacity < CN_MPI_MOST_NOTICE) status = CN_MPI_RANGE;
  if (status != CN_MPI_OK) return status;
  *sender = -1;
  *bytes = 0;
  MPI_Status found;
  status = MPI_Iprobe(MPI_ANY_SOURCE, TAG_NOTICE, notices, &has_arrived, &found);
  if (status != MPI_SUCCESS || !has_arrived) return status;
  if ((status = MPI_Get_count(&found, MPI_BYTE, &count)) != MPI_SUCCESS) return status;
  if (count < 0 || count > capacity) return CN_MPI_RANGE;
  if ((status = MPI_Recv(notice, count, MPI_BYTE, found.MPI_SOURCE, TAG_NOTICE, notices,
                         MPI_STATUS_IGNORE)) != MPI_SUCCESS)
    return status;
  *sender = found.MPI_SOURCE;
  *bytes = count;
  return CN_MPI_OK;
}

int cn_mpi_pause(int64_t microseconds) {
  if (microseconds < 0 || microseconds >= MICROSECONDS) return CN_MPI_RANGE;
  struct timespec time = {0, (long)microseconds * NANOSECONDS};
  (void)nanosleep(&time, NULL);
  return CN_MPI_OK;
}
