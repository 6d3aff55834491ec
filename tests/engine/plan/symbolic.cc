#include "tests/engine/plan/symbolic.h"

#include <bit>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace ablate::testing {
namespace {

uint64_t Mix(uint64_t hash, uint64_t value) {  // splitmix64 over a running hash
  hash += 0x9e3779b97f4a7c15ULL + value;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9ULL;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebULL;
  return hash ^ (hash >> 31);
}

uint64_t Embedding(int32_t prompt, bool is_donor, int32_t position) {
  return Mix(Mix(Mix(1, prompt), is_donor), position);
}

// Keys and values up to a position, given those before it.
uint64_t AppendKey(uint64_t keys, uint64_t state) {
  return Mix(keys, state);
}

// Attention: the query's state and the keys up to it.
uint64_t Attend(int32_t layer, uint64_t state, uint64_t keys) {
  return Mix(Mix(Mix(2, layer), state), keys);
}

// `z` is the token's heads, of which this edit takes one from `from`: the same, or the donor's at the position.
uint64_t ApplyEdit(uint64_t z, uint64_t from, int32_t head, float scale, int32_t entry) {
  return Mix(Mix(Mix(Mix(z, from), head), std::bit_cast<uint32_t>(scale)), entry);
}

uint64_t Leave(uint64_t state, uint64_t z) {
  return Mix(Mix(3, state), z);
}

bool Covers(const PositionRange& range, int32_t position) {
  return range.begin <= position && position < range.end;
}

using HeadsAndResidual = std::pair<std::vector<std::vector<uint64_t>>, std::vector<uint64_t>>;  // z [L][T], x [T]

// Under `variant`, whose edits may take from `donor_z` [L][T].
HeadsAndResidual RunOne(int32_t n_layers, int32_t prompt, bool is_donor, int32_t n_tokens, const Variant& variant,
                        const std::vector<std::vector<uint64_t>>& donor_z) {
  HeadsAndResidual result;
  std::vector<uint64_t>& x = result.second;
  for (int32_t p = 0; p < n_tokens; ++p) x.push_back(Embedding(prompt, is_donor, p));
  for (int32_t layer = 0; layer < n_layers; ++layer) {
    result.first.emplace_back();
    uint64_t keys = 0;
    for (int32_t p = 0; p < n_tokens; ++p) {
      keys = AppendKey(keys, x[p]);
      const uint64_t own = Attend(layer, x[p], keys);
      result.first.back().push_back(own);
      uint64_t z = own;
      for (const Edit& edit : variant.edits) {
        if (edit.site.layer != layer || !Covers(edit.positions, p)) continue;
        const uint64_t from = edit.from_donor ? donor_z.at(layer).at(p) : own;
        z = ApplyEdit(z, from, edit.site.head, edit.scale, edit.entry + edit.entry_stride * p);
      }
      x[p] = Leave(x[p], z);
    }
  }
  return result;
}

class Executor {
 public:
  Executor(const Batch& batch, const Plan& plan) : batch_(batch), plan_(plan) {}

  Readouts Run() {
    for (const Chunk& chunk : plan_.chunks) RunChunk(chunk);
    Check(kept_.empty(), "nothing released what was kept");
    return std::move(readouts_);
  }

 private:
  template <typename... Args>
  static void Check(bool condition, const Args&... message) {
    if (condition) return;
    std::ostringstream out;
    (out << ... << message);
    throw std::runtime_error(out.str());
  }

  int32_t End(int32_t prompt) const { return batch_.prompts[prompt].read_positions.back() + 1; }

  void RunChunk(const Chunk& chunk) {
    Check(!chunk.layers.empty(), "a chunk without layers");
    Check(chunk.first_layer + static_cast<int32_t>(chunk.layers.size()) == batch_.n_layers, "layers are missing");
    Enter(chunk);
    for (size_t i = 0; i < chunk.layers.size(); ++i) {
      const LayerPlan& layer = chunk.layers[i];
      Check(layer.layer == chunk.first_layer + static_cast<int32_t>(i), "layer out of order");
      CheckRows(layer);
      if (chunk.keeps_baselines) Keep(chunk, layer);
      FanOut(layer, Attention(layer));
    }
    for (const ReadPoint& read : chunk.reads) {
      Check(read.token >= 0 && read.token < static_cast<int32_t>(x_.size()), "read.token out of range");
      const bool is_new = readouts_.emplace(ReadKey{read.prompt, read.variant, read.position}, x_[read.token]).second;
      Check(is_new, "reported twice: prompt ", read.prompt, " variant ", read.variant, " position ", read.position);
    }
    if (chunk.releases_baselines) {
      const int32_t prompt = chunk.layers.front().rows.front().prompt;
      Check(kept_.erase({prompt, false}) == 1, "released what was not kept");
      kept_.erase({prompt, true});
    }
  }

  // The residuals that enter the first layer, from the embedding or from what an earlier chunk kept.
  void Enter(const Chunk& chunk) {
    const LayerPlan& first = chunk.layers.front();
    x_.clear();
    for (size_t r = 0; r < first.rows.size(); ++r) {
      const Row& row = first.rows[r];
      Check(row.begin == 0 && row.end == End(row.prompt), "a row that is not whole enters the first layer");
      Check(!row.is_donor || (r > 0 && first.rows[r - 1].prompt == row.prompt), "a donor without its baseline");
      const auto kept = kept_.find({row.prompt, row.is_donor});
      Check((kept == kept_.end()) == (chunk.first_layer == 0 && !IsLater(chunk)), "residuals kept at the wrong time");
      for (int32_t p = 0; p < row.end; ++p) {
        x_.push_back(kept == kept_.end() ? Embedding(row.prompt, row.is_donor, p)
                                         : kept->second.at(chunk.first_layer).at(p));
      }
    }
    position_.clear();
  }

  // A chunk that starts from kept residuals does not report its prompt's baseline.
  static bool IsLater(const Chunk& chunk) {
    for (const ReadPoint& read : chunk.reads) {
      if (read.variant == -1) return false;
    }
    return true;
  }

  void CheckRows(const LayerPlan& layer) const {
    Check(layer.n_tokens_in == static_cast<int64_t>(x_.size()), "n_tokens_in is ", layer.n_tokens_in, ", not ",
          x_.size());
    int32_t token = 0;
    bool unedited_are_over = false;
    std::pair<int32_t, bool> last = {-1, false};
    for (const Row& row : layer.rows) {
      Check(row.first_token == token, "rows are not packed one behind the other");
      Check(0 <= row.begin && row.begin < row.end && row.end == End(row.prompt), "positions of a row out of range");
      Check((row.baseline >= 0) == (row.begin > 0), "a baseline where none is read, or none where one is");
      if (row.baseline >= 0) {
        const Row& baseline = layer.rows.at(row.baseline);
        Check(baseline.prompt == row.prompt && !baseline.is_donor && IsUnedited(layer, row.baseline),
              "Row::baseline is no baseline of its prompt");
      }
      const bool is_unedited = IsUnedited(layer, static_cast<int32_t>(&row - layer.rows.data()));
      Check(!row.is_donor || is_unedited, "a donor that was edited");
      Check(!(is_unedited && unedited_are_over), "an unedited row behind another one");
      if (!is_unedited && !unedited_are_over) last = {-1, false};
      unedited_are_over = !is_unedited;
      const std::pair<int32_t, bool> owner = {row.prompt, row.is_donor};
      Check(is_unedited ? owner > last : owner >= last, "prompts out of order");
      last = owner;
      for (int32_t p = row.begin; !position_.empty() && p < row.end; ++p) {
        Check(position_.at(token + p - row.begin) == p, "an outgoing token's position is not its place in its row");
      }
      token += row.end - row.begin;
    }
    Check(token == layer.n_tokens_in, "rows hold ", token, " tokens of ", layer.n_tokens_in);
  }

  // Told by its state: nothing else has that of an unedited run.
  bool IsUnedited(const LayerPlan& layer, int32_t row) const {
    const Row& r = layer.rows[row];
    if (r.begin != 0) return false;
    States& of_prompt = unedited_[{r.prompt, r.is_donor}];
    if (of_prompt.empty()) {
      std::vector<uint64_t> x;
      for (int32_t p = 0; p < End(r.prompt); ++p) x.push_back(Embedding(r.prompt, r.is_donor, p));
      for (int32_t l = 0; l < batch_.n_layers; ++l) {
        of_prompt.push_back(x);
        uint64_t keys = 0;
        for (uint64_t& state : x) {
          keys = AppendKey(keys, state);
          state = Leave(state, Attend(l, state, keys));
        }
      }
    }
    return std::equal(of_prompt[layer.layer].begin(), of_prompt[layer.layer].end(), x_.begin() + r.first_token);
  }

  void Keep(const Chunk& chunk, const LayerPlan& layer) {
    Check(chunk.first_layer == 0, "keeps_baselines on a chunk that does not start at layer 0");
    for (size_t r = 0; r < chunk.layers.front().rows.size(); ++r) {
      const Row& row = layer.rows.at(r);
      Check(IsUnedited(layer, static_cast<int32_t>(r)), "no unedited row to keep");
      kept_[{row.prompt, row.is_donor}].emplace_back(x_.begin() + row.first_token,
                                                     x_.begin() + row.first_token + row.end);
    }
  }

  std::vector<uint64_t> Attention(const LayerPlan& layer) const {
    std::vector<uint64_t> z;  // [N]
    for (const Row& row : layer.rows) {
      uint64_t keys = 0;
      for (int32_t p = 0; p < row.begin; ++p) keys = AppendKey(keys, x_.at(layer.rows[row.baseline].first_token + p));
      for (int32_t t = row.first_token; t < row.first_token + row.end - row.begin; ++t) {
        keys = AppendKey(keys, x_.at(t));
        z.push_back(Attend(layer.layer, x_.at(t), keys));
      }
    }
    return z;
  }

  void FanOut(const LayerPlan& layer, const std::vector<uint64_t>& z) {
    const size_t n_out = layer.source_token.size();
    Check(layer.position.size() == n_out && layer.row.size() == n_out, "index vectors of unequal length");
    Check(!layer.row_edit_begin.empty() && layer.row_edit_begin.front() == 0 &&
              layer.row_edit_begin.back() == static_cast<int32_t>(layer.row_edits.size()),
          "row_edit_begin does not span row_edits");
    std::vector<int32_t> position_in;
    for (const Row& row : layer.rows) {
      for (int32_t p = row.begin; p < row.end; ++p) position_in.push_back(p);
    }
    std::vector<uint64_t> x;
    for (size_t m = 0; m < n_out; ++m) {
      const int32_t source = layer.source_token[m];
      Check(source >= 0 && source < layer.n_tokens_in, "source_token out of range");
      Check(position_in[source] == layer.position[m], "a token moves to another position");
      Check(layer.row[m] == (m == 0 ? 0 : layer.row[m - 1]) || (m > 0 && layer.row[m] == layer.row[m - 1] + 1),
            "outgoing rows out of order");
      uint64_t value = z[source];
      for (int32_t e = layer.row_edit_begin.at(layer.row[m]); e < layer.row_edit_begin.at(layer.row[m] + 1); ++e) {
        const RowEdit& edit = layer.row_edits[e];
        if (!Covers(edit.positions, layer.position[m])) continue;
        const uint64_t from = edit.source_first < 0 ? z[source] : z.at(edit.source_first + layer.position[m]);
        value = ApplyEdit(value, from, edit.head, edit.scale, edit.entry + edit.entry_stride * layer.position[m]);
      }
      x.push_back(Leave(x_[source], value));
    }
    Check(n_out > 0, "nothing leaves a layer");
    Check(layer.row.back() + 2 == static_cast<int32_t>(layer.row_edit_begin.size()), "an outgoing row without tokens");
    x_ = std::move(x);
    position_ = layer.position;
  }

  using States = std::vector<std::vector<uint64_t>>;  // [L][T]
  using Owner = std::pair<int32_t, bool>;             // prompt, is_donor

  const Batch& batch_;
  const Plan& plan_;
  std::vector<uint64_t> x_;        // [N], the layer's incoming tokens
  std::vector<int32_t> position_;  // [N], as the layer before it gave them; empty in front of a first layer
  std::map<Owner, States> kept_;
  mutable std::map<Owner, States> unedited_;
  Readouts readouts_;
};

}  // namespace

Readouts RunNaively(const Batch& batch) {
  Readouts readouts;
  for (size_t p = 0; p < batch.prompts.size(); ++p) {
    const auto index = static_cast<int32_t>(p);
    const TestPrompt& prompt = batch.prompts[p];
    const auto [donor_z, donor_x] = RunOne(batch.n_layers, index, true, prompt.n_tokens, {}, {});
    for (int32_t v = kBaselineVariant; v < static_cast<int32_t>(prompt.variants.size()); ++v) {
      const Variant variant = v < 0 ? Variant() : prompt.variants[v];
      const std::vector<uint64_t> x = RunOne(batch.n_layers, index, false, prompt.n_tokens, variant, donor_z).second;
      for (const int32_t position : prompt.read_positions) readouts[{index, v, position}] = x[position];
    }
    if (!prompt.has_donor) continue;
    for (const int32_t position : prompt.read_positions) readouts[{index, kDonorVariant, position}] = donor_x[position];
  }
  return readouts;
}

Execution Execute(const Batch& batch, const Plan& plan) {
  try {
    return {.readouts = Executor(batch, plan).Run(), .error = ""};
  } catch (const std::exception& error) {
    return {.readouts = {}, .error = error.what()};
  }
}

}  // namespace ablate::testing
