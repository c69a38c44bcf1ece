// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
//
// The recurrences of recurrence.py and its neighbours, and the loop of planning/schedule.py that runs them, compiled: the
// same classes with the same names, statement by statement. The Python ones say what is meant; tests/unit/test_engine.py
// compares both time by time. compiled.py builds this file and calls it.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

namespace {

using Time = int64_t;
using Times = std::vector<Time>;
using Gates = void (*)(int64_t core, int64_t frame, int64_t *gates);

struct Channel {
  int64_t beats = 0;
  Times valid, moved;
};

int64_t count(const Times &times) { return static_cast<int64_t>(times.size()); }

// Of times that are not empty.
Time last(const Times &times) { return times.back(); }

struct Recurrence {
  std::vector<Channel *> sinks, sources;
  bool full = false;
  virtual ~Recurrence() = default;
  virtual bool advance(bool force) = 0;

 protected:
  Times &v_in() { return sinks[0]->valid; }
  Times &h_in() { return sinks[0]->moved; }
  Times &v_out() { return sources[0]->valid; }
  Times &h_out() { return sources[0]->moved; }
};

struct Pipe : Recurrence {
  const int64_t interval, latency, state_beats, state_ticks;
  const std::vector<int64_t> pattern;
  Times started, ticks;
  int64_t passed = 0, lost = 0, time = -1, left;

  Pipe(const int64_t *p, const int64_t *pattern, int64_t length)
      : interval(p[0]), latency(p[1]), state_beats(p[2]), state_ticks(p[3]), pattern(pattern, pattern + length),
        left(p[0]) {}

  bool advance(bool) override {
    Times &v_in = this->v_in(), &h_in = this->h_in(), &v_out = this->v_out(), &h_out = this->h_out();
    const int64_t shown = count(v_out), taken = count(h_in), step = left;
    while (true) {
      int64_t k;
      while ((k = count(v_out)) < count(ticks) && count(h_out) >= k)
        v_out.push_back(k ? h_out[k - 1] + ticks[k] - ticks[k - 1] : ticks[0]);
      const int64_t j = count(h_in);
      if (j == count(v_in)) break;
      Time t = std::max(time + 1, v_in[j]), free = 0;
      if (state_beats && j >= state_beats && left == interval) free = started[j - state_beats] + state_ticks;
      t = std::max(t, free + lost);
      bool known = true;
      while (passed < count(ticks)) {
        if (passed == count(v_out)) {
          known = ticks[passed] + lost > t;
          break;
        }
        if (v_out[passed] > t) break;
        if (passed == count(h_out)) {
          known = false;
          break;
        }
        lost += h_out[passed] - v_out[passed];
        t = std::max({t, h_out[passed], free + lost});
        ++passed;
      }
      if (!known) break;
      time = t;
      if (state_beats && left == interval) started.push_back(t - lost);
      if (--left == 0) {
        left = interval;
        h_in.push_back(t);
        if (pattern[j % count(pattern)]) ticks.push_back(t - lost + latency);
      }
    }
    return shown != count(v_out) || taken != count(h_in) || step != left;
  }
};

struct Serial : Recurrence {
  const int64_t steps;
  explicit Serial(const int64_t *p) : steps(p[0]) {}

  bool advance(bool) override {
    Times &v_in = this->v_in(), &h_in = this->h_in(), &v_out = this->v_out(), &h_out = this->h_out();
    int64_t j = count(h_in);
    const int64_t start = j;
    for (; j < count(v_in) && j - 2 < count(h_out); ++j) {
      Time t = v_in[j];
      if (j) t = std::max(t, last(h_in) + steps);
      if (j > 1) t = std::max(t, h_out[j - 2]);
      h_in.push_back(t);
      v_out.push_back(t + steps + 1);
    }
    return j > start;
  }
};

struct Register : Recurrence {
  explicit Register(const int64_t *) {}

  bool advance(bool) override {
    Times &v_in = this->v_in(), &h_in = this->h_in(), &v_out = this->v_out(), &h_out = this->h_out();
    int64_t j = count(h_in);
    const int64_t start = j;
    for (; j < count(v_in) && j - 1 < count(h_out); ++j) {
      Time t = v_in[j];
      if (j) t = std::max({t, last(h_in) + 1, h_out[j - 1]});
      h_in.push_back(t);
      v_out.push_back(t + 1);
    }
    return j > start;
  }
};

struct Queue : Recurrence {
  const int64_t depth, latency;
  explicit Queue(const int64_t *p) : depth(p[0]), latency(p[1]) {}

  bool advance(bool) override {
    Times &v_in = this->v_in(), &h_in = this->h_in(), &v_out = this->v_out(), &h_out = this->h_out();
    int64_t j = count(h_in);
    const int64_t start = j;
    for (; j < count(v_in) && j - depth < count(h_out); ++j) {
      Time t = v_in[j];
      if (j && last(h_in) >= t) t = last(h_in) + 1;
      if (j >= depth && h_out[j - depth] >= t) {
        t = h_out[j - depth] + 1;
        full = true;
      }
      h_in.push_back(t);
      v_out.push_back(t + latency);
    }
    return j > start;
  }
};

struct Zip : Recurrence {
  explicit Zip(const int64_t *) {}

  bool advance(bool) override {
    Channel &both = *sources[0];
    const int64_t shown = count(both.valid), taken = count(h_in());
    while (count(both.moved) >= count(both.valid)) {
      const int64_t k = count(both.valid);
      if (!std::all_of(sinks.begin(), sinks.end(), [k](Channel *s) { return count(s->valid) > k; })) break;
      Time t = sinks[0]->valid[k];
      for (Channel *s : sinks) t = std::max(t, s->valid[k]);
      both.valid.push_back(t);
    }
    while (count(h_in()) < count(both.moved)) {
      const Time t = both.moved[count(h_in())];
      for (Channel *s : sinks) s->moved.push_back(t);
    }
    return shown != count(both.valid) || taken != count(h_in());
  }
};

struct Fork : Recurrence {
  explicit Fork(const int64_t *) {}

  bool advance(bool) override {
    Times &v_in = this->v_in(), &h_in = this->h_in();
    const int64_t shown = count(v_out()), taken = count(h_in);
    while (true) {
      const int64_t k = count(h_in);
      if (k < count(v_out()) &&
          std::all_of(sources.begin(), sources.end(), [k](Channel *s) { return count(s->moved) > k; })) {
        Time t = sources[0]->moved[k];
        for (Channel *s : sources) t = std::max(t, s->moved[k]);
        h_in.push_back(t);
      } else if (k == count(v_out()) && k < count(v_in)) {
        const Time t = k ? std::max(v_in[k], last(h_in) + 1) : v_in[k];
        for (Channel *s : sources) s->valid.push_back(t);
      } else {
        return shown != count(v_out()) || taken != count(h_in);
      }
    }
  }
};

struct Store : Recurrence {
  const int64_t number, registers, reads;
  const Gates more;
  Times need, gates, issued;

  Store(int64_t number, const int64_t *p, const int64_t *need, int64_t reads, Gates more)
      : number(number), registers(p[0]), reads(reads), more(more), need(need, need + reads) {}

  bool advance(bool) override {
    Times &v_in = this->v_in(), &h_in = this->h_in(), &v_out = this->v_out(), &h_out = this->h_out();
    const int64_t beats = sinks[0]->beats;
    bool moved = false;
    while (true) {
      bool progress = false;
      for (int64_t j = count(h_in); j < count(v_in); ++j) {
        if (j == count(gates)) {
          gates.resize(gates.size() + beats);
          more(number, j / beats, gates.data() + j);
        }
        const int64_t gate = gates[j];
        if (gate > count(issued)) break;
        Time t = v_in[j];
        if (j && last(h_in) >= t) t = last(h_in) + 1;
        if (gate > 0 && issued[gate - 1] >= t) {
          t = issued[gate - 1] + 1;
          full = true;
        }
        h_in.push_back(t);
        progress = true;
      }
      for (int64_t m = count(issued); m - registers < count(h_out); ++m) {
        const int64_t frame = m / reads;
        int64_t wait = need[m % reads];
        Time t = m ? last(issued) + 1 : 0;
        if (wait >= 0) {
          wait += frame * beats;
          if (wait >= count(h_in)) break;
          if (h_in[wait] >= t) t = h_in[wait] + 1;
        } else if (frame * beats > count(v_in)) {
          break;
        }
        if (m >= registers && h_out[m - registers] > t) t = h_out[m - registers];
        issued.push_back(t);
        v_out.push_back(t + registers);
        progress = true;
      }
      if (!progress) return moved;
      moved = true;
    }
  }
};

struct RowWalk : Recurrence {
  const int64_t beats, beyond_beats, overlap, lead_in, final, step, height, groups, replay;
  int64_t row = 0, beat = 0, ahead = 0, group = 0;
  Time time = -1;

  explicit RowWalk(const int64_t *p)
      : beats(p[0]), beyond_beats(p[1]), overlap(p[2]), lead_in(p[3]), final(p[4]), step(p[5]), height(p[6]),
        groups(p[7]), replay(p[8]) {}

  bool advance(bool force) override {
    Times &v_in = this->v_in(), &h_in = this->h_in(), &v_out = this->v_out(), &h_out = this->h_out();
    bool moved = false;
    while (true) {
      if (count(h_out) < count(v_out)) return moved;
      const bool beyond = beat >= beats, last_row = row == height - 1;
      const int64_t left = beats + beyond_beats - beat;
      const bool must = beyond && !last_row && left <= overlap;
      const bool may = beyond && last_row && left == 1 && overlap > 0 && groups == 1;
      Time t = time + 1;
      if (!h_out.empty()) t = std::max(t, last(h_out));
      const int64_t j = count(h_in);
      bool take = !beyond || must;
      if (take) {
        if (j >= count(v_in)) return moved;
        t = std::max(t, v_in[j]);
      } else if (may) {
        if (j < count(v_in))
          take = v_in[j] <= t;
        else if (!force)
          return moved;
      }
      if (take) h_in.push_back(t);
      time = t;
      moved = true;
      force = false;
      if (lead_in <= beat && beat <= final && (beat - lead_in) % step == 0)
        for (int64_t n = 0; n < replay; ++n) v_out.push_back(t + 1 + n);
      if (++group == groups) {
        group = 0;
        ahead += beyond && take;
        if (++beat == beats + beyond_beats) {
          beat = ahead;
          ahead = 0;
          row = last_row ? 0 : row + 1;
        }
      }
    }
  }
};

struct Gearbox : Recurrence {
  const int64_t units_in, units_out, beats_in, beats_out, room;
  int64_t filled = 0;
  explicit Gearbox(const int64_t *p)
      : units_in(p[0]), units_out(p[1]), beats_in(p[2]), beats_out(p[3]), room(p[4]) {}

  bool advance(bool) override {
    Times &v_in = this->v_in(), &h_in = this->h_in(), &v_out = this->v_out(), &h_out = this->h_out();
    int64_t j = count(h_in);
    const int64_t start = j;
    for (; j < count(v_in); ++j) {
      const int64_t pixel = j / beats_in, beat = j % beats_in, base = pixel * beats_out * units_out;
      const int64_t now = base + (beat == beats_in - 1 ? beats_out * units_out : (beat + 1) * units_in);
      const int64_t gone = units_out == 1 ? filled : std::max<int64_t>(0, now - room);
      const int64_t gate = (gone + units_out - 1) / units_out - 1;
      if (gate >= count(h_out)) break;
      Time t = v_in[j];
      if (j) t = std::max(t, last(h_in) + 1);
      if (gate >= 0) t = std::max(t, h_out[gate]);
      h_in.push_back(t);
      v_out.insert(v_out.end(), now / units_out - filled / units_out, t + 1);
      filled = now;
    }
    return j > start;
  }
};

struct Guarded : Recurrence {
  explicit Guarded(const int64_t *) {}

  bool advance(bool) override {
    Times &v_in = this->v_in(), &h_in = this->h_in(), &v_out = this->v_out(), &h_out = this->h_out();
    const Times &reported = sources[1]->moved;
    const int64_t beats = sinks[0]->beats;
    int64_t j = count(h_in);
    const int64_t start = j;
    while (j < count(v_in) && j - 1 < count(h_out) && j / beats <= count(reported)) {
      Time t = v_in[j];
      if (j) {
        const Time free = j % beats == 0 ? reported[j / beats - 1] : last(h_in);
        t = std::max({t, free + 1, h_out[j - 1]});
      }
      h_in.push_back(t);
      v_out.push_back(t + 1);
      ++j;
      if (j % beats == 0) sources[1]->valid.push_back(t + 1);
    }
    return j > start;
  }
};

struct Answered : Recurrence {
  explicit Answered(const int64_t *) {}

  bool advance(bool) override {
    Times &answer = h_out();
    const int64_t classes = sinks[0]->beats, start = count(answer);
    while (true) {
      const int64_t frame = count(answer) / (classes + 1), nth = count(answer) % (classes + 1);
      Channel *sink = nth == classes ? sinks[1] : sinks[0];
      const int64_t beat = nth == classes ? frame : frame * classes + nth;
      if (beat == count(sink->valid)) return count(answer) > start;
      const Time t = answer.empty() ? sink->valid[beat] : std::max(sink->valid[beat], last(answer));
      sink->moved.push_back(t);
      v_out().push_back(t + 1);
      answer.push_back(t + 1);
    }
  }
};

struct Schedule {
  std::vector<Channel> channels;
  std::vector<std::unique_ptr<Recurrence>> cores;

  // As _run() of schedule.py.
  bool run(const Channel &out, int64_t target) {
    struct Added {
      Times *times;
      size_t reader;
    };
    const size_t none = cores.size();
    std::vector<size_t> makes(channels.size(), none), takes(channels.size(), none);
    for (size_t n = 0; n < cores.size(); ++n) {
      for (Channel *c : cores[n]->sources) makes[c - channels.data()] = n;
      for (Channel *c : cores[n]->sinks) takes[c - channels.data()] = n;
    }
    std::vector<std::vector<Added>> added(cores.size());
    std::vector<std::vector<size_t>> seen(cores.size());
    std::deque<size_t> waiting;
    std::vector<char> due(cores.size(), 1);
    for (size_t n = 0; n < cores.size(); ++n) {
      for (Channel *c : cores[n]->sinks)
        if (makes[c - channels.data()] != none) added[n].push_back({&c->moved, makes[c - channels.data()]});
      for (Channel *c : cores[n]->sources)
        if (takes[c - channels.data()] != none) added[n].push_back({&c->valid, takes[c - channels.data()]});
      seen[n].assign(added[n].size(), 0);
      waiting.push_back(n);
    }
    while (true) {
      size_t moved = none;
      if (!waiting.empty()) {
        moved = waiting.front();
        waiting.pop_front();
        due[moved] = 0;
        cores[moved]->advance(false);
      } else {
        for (size_t n = 0; n < cores.size() && moved == none; ++n)
          if (cores[n]->advance(true)) moved = n;
        if (moved == none) return false;
      }
      if (moved == cores.size() - 1 && count(out.moved) >= target) return true;
      for (size_t place = 0; place < added[moved].size(); ++place) {
        const Added &list = added[moved][place];
        if (list.times->size() == seen[moved][place]) continue;
        seen[moved][place] = list.times->size();
        if (due[list.reader]) continue;
        due[list.reader] = 1;
        waiting.push_back(list.reader);
      }
    }
  }
};

template <typename T>
std::unique_ptr<Recurrence> make(const int64_t *p) {
  return std::make_unique<T>(p);
}

}  // namespace

extern "C" {

// channels: beats per pass of each. The other calls fill the schedule, run it, and read it.
Schedule *volley_new(int64_t channels, const int64_t *beats) {
  auto *schedule = new Schedule;
  schedule->channels.resize(channels);
  for (int64_t n = 0; n < channels; ++n) schedule->channels[n].beats = beats[n];
  return schedule;
}

void volley_free(Schedule *schedule) { delete schedule; }

// kind: its place in KINDS of compiled.py. table: what a Pipe and a Store have beside their parameters.
void volley_add(Schedule *schedule, int64_t kind, int64_t sinks, const int64_t *sink, int64_t sources,
                const int64_t *source, const int64_t *parameters, int64_t length, const int64_t *table, Gates more) {
  static constexpr std::unique_ptr<Recurrence> (*makers[])(const int64_t *) = {
      make<Serial>,  make<Register>, make<Queue>,   make<Zip>,      make<Fork>,
      make<RowWalk>, make<Gearbox>,  make<Guarded>, make<Answered>};
  constexpr int64_t pipe = sizeof makers / sizeof *makers, store = pipe + 1;
  const auto number = static_cast<int64_t>(schedule->cores.size());
  std::unique_ptr<Recurrence> core;
  if (kind == store)
    core = std::make_unique<Store>(number, parameters, table, length, more);
  else if (kind == pipe)
    core = std::make_unique<Pipe>(parameters, table, length);
  else
    core = makers[kind](parameters);
  for (int64_t n = 0; n < sinks; ++n) core->sinks.push_back(&schedule->channels[sink[n]]);
  for (int64_t n = 0; n < sources; ++n) core->sources.push_back(&schedule->channels[source[n]]);
  schedule->cores.push_back(std::move(core));
}

// Offers `words` beats on channel `in` from cycle 0 on; true once `target` beats of channel `out` have moved.
bool volley_run(Schedule *schedule, int64_t in, int64_t words, int64_t out, int64_t target) {
  schedule->channels[in].valid.assign(words, 0);
  return schedule->run(schedule->channels[out], target);
}

bool volley_full(const Schedule *schedule, int64_t core) { return schedule->cores[core]->full; }

int64_t volley_times(const Schedule *schedule, int64_t channel, bool moved, const int64_t **times) {
  const Channel &c = schedule->channels[channel];
  const Times &found = moved ? c.moved : c.valid;
  *times = found.data();
  return count(found);
}

}  // extern "C"
