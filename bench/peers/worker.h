/*
 * The worker side of the measurement protocol, for peer programs in C++. Requests arrive on
 * standard input, one flat JSON object per line, and each is answered with one line on standard
 * output. src/ConvNet.Measurement/Workers/Protocol.cs documents the members.
 */
#ifndef CN_PEERS_WORKER_H
#define CN_PEERS_WORKER_H

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <functional>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace peer {

/* A request: strings and numbers by name. Missing members are empty or 0. */
class Request {
public:
  explicit Request(std::string line) : line_(std::move(line)) {}

  std::string text(const std::string &name) const {
    const size_t at = find(name);
    if (at == std::string::npos || line_[at] != '"') return "";
    std::string value;
    for (size_t i = at + 1; i < line_.size() && line_[i] != '"'; i++) {
      if (line_[i] == '\\') i++;
      value += line_[i];
    }
    return value;
  }

  double number(const std::string &name) const {
    const size_t at = find(name);
    return at == std::string::npos ? 0 : std::strtod(line_.c_str() + at, nullptr);
  }

private:
  size_t find(const std::string &name) const {
    const std::string key = "\"" + name + "\":";
    const size_t at = line_.find(key);
    return at == std::string::npos ? at : at + key.size();
  }

  std::string line_;
};

/* A computation to time. */
struct Workload {
  std::function<void()> run;
  double operations = 0; /* per call */
  int images = 0;        /* per call */
  std::string algorithm = "auto";
};

/* The peak resident memory since construction, less the resident memory then. Linux only. */
class Memory {
public:
  Memory() {
    std::ofstream("/proc/self/clear_refs") << 5;
    start_ = megabytes("VmRSS");
  }
  double peak() const { return std::max(0.0, megabytes("VmHWM") - start_); }

private:
  static double megabytes(const std::string &name) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
      if (line.compare(0, name.size(), name) == 0)
        return std::strtod(line.c_str() + name.size() + 1, nullptr) * 1024 / 1e6;
    return 0;
  }
  double start_;
};

inline double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

/* Times calls like the workers in C#: calls shorter than 0.02 ms are timed in groups. */
class Sampler {
public:
  explicit Sampler(Workload workload) : workload_(std::move(workload)) {}

  void warm(double milliseconds) {
    workload_.run();
    const auto start = std::chrono::steady_clock::now();
    int calls = 0;
    double elapsed;
    do {
      workload_.run();
      calls++;
      elapsed = milliseconds_since(start);
    } while (elapsed < milliseconds);
    calls_per_sample_ = (int)std::min(1e6, std::max(1.0, std::ceil(0.02 * calls / elapsed)));
  }

  /* Returns the members medianMs, minMs and calls, without braces. */
  std::string measure(double milliseconds) const {
    std::vector<double> samples;
    const auto start = std::chrono::steady_clock::now();
    do {
      const auto first = std::chrono::steady_clock::now();
      for (int i = 0; i < calls_per_sample_; i++) workload_.run();
      samples.push_back(milliseconds_since(first) / calls_per_sample_);
    } while (milliseconds_since(start) < milliseconds);
    std::sort(samples.begin(), samples.end());
    const size_t n = samples.size();
    std::ostringstream json;
    json.precision(9);
    json << "\"medianMs\":" << (samples[(n - 1) / 2] + samples[n / 2]) / 2
         << ",\"minMs\":" << samples[0] << ",\"calls\":" << n * calls_per_sample_;
    return json.str();
  }

private:
  Workload workload_;
  int calls_per_sample_ = 1;
};

inline std::string escaped(const std::string &text) {
  std::string safe;
  for (const char c : text) {
    if (c == '"' || c == '\\') safe += '\\';
    safe += c < ' ' ? ' ' : c;
  }
  return safe;
}

/* Answers requests until the input ends. load loads the library; make then creates a workload. */
inline int serve(const std::string &library, const std::function<void(const Request &)> &load,
                 const std::function<Workload(const Request &)> &make) {
  std::vector<Sampler> current;
  std::vector<Memory> memory;
  for (std::string line; std::getline(std::cin, line);) {
    std::ostringstream answer;
    answer.precision(15);
    try {
      const Request request(line);
      const std::string order = request.text("do");
      if (order == "prepare") {
        current.clear();
        load(request);
        memory.assign(1, Memory());
        const Workload workload = make(request);
        answer << "\"library\":\"" << escaped(library) << "\",\"algorithm\":\""
               << escaped(workload.algorithm) << "\",\"operations\":" << workload.operations
               << ",\"images\":" << workload.images;
        current.assign(1, Sampler(workload));
      } else if (current.empty()) {
        throw std::invalid_argument("No workload is prepared. Send prepare first.");
      } else if (order == "warm") {
        current[0].warm(request.number("milliseconds"));
      } else if (order == "measure") {
        answer << current[0].measure(request.number("milliseconds"))
               << ",\"peakMemoryMB\":" << memory[0].peak();
      } else {
        throw std::invalid_argument("This program does not support the order \"" + order + "\".");
      }
    } catch (const std::exception &error) {
      answer.str("");
      answer << "\"error\":\"" << escaped(error.what()) << "\"";
    }
    std::cout << "{" << answer.str() << "}" << std::endl;
  }
  return 0;
}

} // namespace peer

#endif
