// What a person wants to know of a prompt's rows at a glance.
#pragma once

#include <string>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/types/span.h"
#include "client/cpp/cli/block_rows.h"
#include "client/cpp/cli/legend.h"
#include "client/cpp/cli/metric.h"
#include "client/cpp/cli/style.h"

namespace ablate::cli {

// Those at the last of the prompt's read positions, in the same order.
std::vector<Row> AtLastReadPosition(absl::Span<const Row> rows);
// Those of edited runs under one replacement.
std::vector<Row> OfReplacement(absl::Span<const Row> rows, int32_t replacement);

// The `n` edited runs with the largest |metric|, the strongest first; equals stay in their order.
std::vector<Row> Strongest(absl::Span<const Row> rows, Metric metric, size_t n);

// How many of the edited runs keep the most probable token of the run that they edit; and of how many.
int CountTop1Preserved(absl::Span<const Row> rows);
int CountEdited(absl::Span<const Row> rows);

// `L5H3`; a group by its name; `L5H3@2` where position 2 was edited.
std::string RunTitle(const Legend& legend, const Row& row);

// Of target and contrast, where they are set: `' Germany'  log p -0.1054 (p 0.9000), rank 0`; then the most probable
// tokens, as many as the scan has, and of a pair the corrupted run. `rows`: the prompt's, at one read position.
std::vector<std::string> DescribeBaseline(const client::ScanManifest& manifest, int prompt, absl::Span<const Row> rows);

// A table of Strongest's rows, with a heading.
std::vector<std::string> StrongestTable(const Legend& legend, absl::Span<const Row> strongest, const std::string& title,
                                        Color color);

// One line a prompt for a scan of many, and the heading of these lines, in `width` characters where that is enough.
struct PromptColumns {
  int prompt = 0;
  int strongest = 9;
};
PromptColumns ChoosePromptColumns(const Legend& legend, int width);
std::string PromptHeading(const PromptColumns& columns, Color color);
std::string PromptLine(const Legend& legend, const PromptColumns& columns, int prompt, absl::Span<const Row> rows,
                       Metric metric);

// `' Germany'`; of an answer set the first tokens and how many there are; a sequence as one text.
std::string AnswerText(const client::ScanManifest& manifest,
                       const google::protobuf::RepeatedPtrField<ablation::v1::Token>& tokens);

}  // namespace ablate::cli
