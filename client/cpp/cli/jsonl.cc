#include "client/cpp/cli/jsonl.h"

#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cpp/cli/cell_text.h"
#include "client/cpp/cli/columns.h"
#include "client/cpp/cli/extra_columns.h"
#include "client/cpp/cli/number.h"

namespace ablate::cli {
namespace {

// Sums and means are no float32s, whatever the forward pass was.
constexpr auto kExact = ablation::v1::PRECISION_FLOAT64;

absl::StatusOr<std::string> VariantJson(const ablation::v1::Variant& variant) {
  return ToJson(variant);
}

using Tokens = google::protobuf::RepeatedPtrField<ablation::v1::Token>;

// Tokens as two flat lists, which data frames read more easily than a list of objects.
void AppendTokens(const char* prefix, const Tokens& tokens, std::string* json) {
  const auto id = [](std::string* out, const auto& token) { absl::StrAppend(out, token.id()); };
  const auto text = [](std::string* out, const auto& token) { out->append(JsonString(token.text())); };
  absl::StrAppend(json, "\"", prefix, "token_ids\":[", absl::StrJoin(tokens, ",", id), "],\"", prefix,
                  "token_texts\":[", absl::StrJoin(tokens, ",", text), "]");
}

absl::Status AppendAnswers(const char* name, const Tokens& tokens, std::string* json) {
  absl::StrAppend(json, ",\"", name, "\":[");
  for (int i = 0; i < tokens.size(); ++i) {
    const auto text = ToJson(tokens.Get(i));
    if (!text.ok()) return text.status();
    absl::StrAppend(json, i == 0 ? "" : ",", *text);
  }
  absl::StrAppend(json, "]");
  return absl::OkStatus();
}

absl::StatusOr<std::string> PromptJson(const ablation::v1::ResolvedPrompt& prompt) {
  std::string json = "{";
  AppendTokens("", prompt.tokens(), &json);
  auto status = AppendAnswers("targets", prompt.targets(), &json);
  status.Update(AppendAnswers("contrasts", prompt.contrasts(), &json));
  if (!status.ok()) return status;
  if (!prompt.corrupted_tokens().empty()) {
    json += ',';
    AppendTokens("corrupted_", prompt.corrupted_tokens(), &json);
  }
  absl::StrAppend(&json, ",\"read_positions\":[", absl::StrJoin(prompt.read_positions(), ","), "]");
  if (!prompt.edit_positions().empty()) {
    absl::StrAppend(&json, ",\"edit_positions\":[", absl::StrJoin(prompt.edit_positions(), ","), "]");
  }
  if (!prompt.template_().empty()) absl::StrAppend(&json, ",\"template\":", JsonString(prompt.template_()));
  absl::StrAppend(
      &json, ",\"warnings\":[",
      absl::StrJoin(prompt.warnings(), ",", [](std::string* out, const auto& w) { out->append(JsonString(w)); }), "]}");
  return json;
}

// `"name": value, ...` without braces.
std::string Members(const NamedCells& cells, ablation::v1::Precision precision) {
  return absl::StrJoin(cells, ", ", [precision](std::string* out, const auto& cell) {
    absl::StrAppend(out, "\"", cell.first, "\": ", JsonCell(cell.second, precision));
  });
}

std::string List(absl::Span<const double> values, ablation::v1::Precision precision) {
  const auto number = [precision](std::string* out, double value) { out->append(RoundTrip(value, precision)); };
  return absl::StrCat("[", absl::StrJoin(values, ", ", number), "]");
}

std::string LikelihoodJson(const Legend& legend, const LikelihoodEntry& entry, ablation::v1::Precision precision) {
  return absl::StrCat("{\"likelihood\": {", Members(LikelihoodCells(legend, entry), kExact),
                      ", \"token_logprob\": ", List(TokenLogprobs(entry), precision), "}}\n");
}

std::string CompensationJson(const Legend& legend, const CompensationEntry& entry, ablation::v1::Precision precision) {
  const int n_layers = legend.manifest().head.model().n_layers(), n_heads = legend.manifest().head.model().n_heads();
  const auto heads = CompensationHeads(entry, int64_t{n_layers} * n_heads);
  std::string layers;
  for (int layer = 0; layer < n_layers; ++layer) {
    absl::StrAppend(&layers, layer == 0 ? "" : ", ",
                    List(heads.subspan(static_cast<size_t>(layer) * n_heads, n_heads), precision));
  }
  return absl::StrCat("{\"compensation\": {", Members(CompensationKey(legend, entry), precision), ", \"heads\": [",
                      layers, "], \"mlps\": ", List(CompensationMlps(entry, n_layers), precision),
                      ", \"layer_norm\": ", RoundTrip(entry.block->layer_norm(entry.index), precision), "}}\n");
}

}  // namespace

std::string JsonString(absl::string_view text) {
  return nlohmann::json(std::string(text)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message, bool pretty) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  options.add_whitespace = pretty;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) return absl::InternalError(absl::StrCat("cannot write JSON: ", status.ToString()));
  return json;
}

absl::Status JsonlWriter::Begin(std::shared_ptr<const client::ScanManifest> manifest) {
  legend_ = std::make_unique<const Legend>(manifest);
  precision_ = manifest->head.runtime().precision();
  auto head = ToJson(manifest->head);
  if (!head.ok()) return head.status();
  head->pop_back();  // its closing brace
  absl::Status status = output_->Write(absl::StrCat("{\"manifest\": ", *head, ","));
  status.Update(WriteList("variants", manifest->variants, VariantJson));
  status.Update(output_->Write(","));
  status.Update(WriteList("prompts", manifest->prompts, PromptJson));
  status.Update(output_->Write("}}\n"));
  return status;
}

// Entry by entry: the prompts of a large scan would not fit into one text.
template <typename Message>
absl::Status JsonlWriter::WriteList(absl::string_view name, const std::vector<Message>& entries,
                                    absl::StatusOr<std::string> (*to_json)(const Message&)) {
  absl::Status status = output_->Write(absl::StrCat("\"", name, "\":["));
  for (size_t i = 0; i < entries.size() && status.ok(); ++i) {
    const auto json = to_json(entries[i]);
    status = json.ok() ? output_->Write(absl::StrCat(i == 0 ? "" : ",", *json)) : json.status();
  }
  status.Update(output_->Write("]"));
  return status;
}

std::string JsonlWriter::Fields(int prompt) const {
  if (data_->field_names.empty()) return "";
  std::string json;
  const size_t n = static_cast<size_t>(prompt) < data_->fields.size() ? data_->fields[prompt].size() : 0;
  for (size_t i = 0; i < n; ++i) {
    if (data_->fields[prompt][i].empty()) continue;
    absl::StrAppend(&json, json.empty() ? "" : ", ", JsonString(data_->field_names[i]), ": ", data_->fields[prompt][i]);
  }
  return absl::StrCat(", \"fields\": {", json, "}");
}

absl::Status JsonlWriter::Prompt(const PromptResult& result) {
  const std::string fields = Fields(result.prompt);
  std::string line;
  for (const Row& row : result.rows) {
    line.assign(1, '{');
    for (const Column& column : Columns()) {
      absl::StrAppend(&line, "\"", column.name, "\": ", JsonCell(column.value(column, *legend_, row), precision_),
                      ", ");
    }
    AppendTopK(row, &line);
    absl::StrAppend(&line, fields, "}\n");
    if (auto status = output_->Write(line); !status.ok()) return status;
  }
  for (const LikelihoodEntry& entry : result.likelihoods) {
    if (auto status = output_->Write(LikelihoodJson(*legend_, entry, precision_)); !status.ok()) return status;
  }
  for (const CompensationEntry& entry : result.compensations) {
    if (auto status = output_->Write(CompensationJson(*legend_, entry, precision_)); !status.ok()) return status;
  }
  return output_->Flush();
}

void JsonlWriter::AppendTopK(const Row& row, std::string* line) const {
  *line += "\"top_k\": ";
  if (top_k_ == 0) {
    *line += "null";
    return;
  }
  const auto& block = row.columns();
  for (int i = row.index * top_k_; i < (row.index + 1) * top_k_; ++i) {
    const std::string* text = row.block->TokenText(block.top_k_id(i));
    absl::StrAppend(line, i % top_k_ == 0 ? "[" : ", ", "{\"id\": ", block.top_k_id(i),
                    ", \"token\": ", text == nullptr ? "null" : JsonString(*text),
                    ", \"logprob\": ", RoundTrip(block.top_k_logprob(i), precision_), "}");
  }
  *line += ']';
}

absl::Status JsonlWriter::Statistics(const Summary& summary) {
  // Written by hand: protobuf writes NaN as a text, and 64-bit numbers too.
  const auto& head = summary.head;
  const auto agreement = [&](std::string* out, const ablation::v1::RankAgreement& pair) {
    absl::StrAppend(out, "{",
                    Members({{"first", legend_->Replacement(pair.first())},
                             {"second", legend_->Replacement(pair.second())},
                             {"spearman", pair.spearman()}},
                            kExact),
                    "}");
  };
  auto status = output_->Write(
      absl::StrCat("{\"summary_head\": {\"n_clusters\": ", head.n_clusters(), ", \"n_prompts\": ", head.n_prompts(),
                   ", \"assumes_iid\": ", head.assumes_iid() ? "true" : "false", ", \"bootstrap_resamples\": ",
                   head.bootstrap_resamples(), ", \"sign_flips\": ", head.sign_flips(), ", \"seed\": ", head.seed(),
                   ", \"rank_agreement\": [", absl::StrJoin(head.rank_agreement(), ", ", agreement), "]}}\n"));
  for (const auto& block : summary.blocks) {
    for (int i = 0; i < block.variant_size() && status.ok(); ++i) {
      status =
          output_->Write(absl::StrCat("{\"summary\": {", Members(SummaryCells(*legend_, block, i), kExact), "}}\n"));
    }
  }
  status.Update(output_->Flush());
  return status;
}

}  // namespace ablate::cli
