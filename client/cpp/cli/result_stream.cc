#include "client/cpp/cli/result_stream.h"

#include <iostream>
#include <utility>

namespace ablate::cli {
namespace {

void PrintWarnings(const client::ScanManifest& manifest) {
  for (int p = 0; p < manifest.n_prompts(); ++p) {
    for (const std::string& warning : manifest.prompts[p].warnings()) {
      std::cerr << "ablate: warning: prompt " << p << ": " << warning << "\n";
    }
  }
}

}  // namespace

ResultStream::ResultStream(ResultStreamOptions options)
    : options_(std::move(options)), progress_(options_.show_progress) {}

absl::Status ResultStream::Begin(client::ScanManifest whole) {
  auto manifest = std::make_shared<const client::ScanManifest>(std::move(whole));
  total_ = manifest->head.total_rows();
  progress_.Update(done_, total_);
  if (options_.print_warnings) PrintWarnings(*manifest);
  auto writer = options_.make_writer(*manifest);
  if (!writer.ok()) return writer.status();
  writer_ = *std::move(writer);
  const RowExtras extras = {.likelihood = manifest->head.readout().likelihood(),
                            .compensation = manifest->head.readout().compensation()};
  order_ = std::make_unique<RowOrder>(
      *manifest, extras, [this](const PromptResult& result) { return writer_->Prompt(result); }, options_.order);
  if (auto status = writer_->Begin(std::move(manifest)); !status.ok()) return status;
  return Skip(std::exchange(skipped_, {}));
}

absl::Status ResultStream::Skip(std::vector<int> prompts) {
  if (order_ == nullptr) {
    skipped_ = std::move(prompts);
    return absl::OkStatus();
  }
  absl::Status status;
  for (const int prompt : prompts) status.Update(order_->Skip(prompt));
  return status;
}

absl::Status ResultStream::TakeRows(ablation::v1::RowBlock columns) {
  const auto block = std::make_shared<const Block>(std::move(columns));
  done_ += block->columns().variant_size();
  progress_.Update(done_, total_);
  // The table writes nothing before its end: a scan that nobody will read must not run that long.
  auto status = options_.rows->CheckReader();
  if (status.ok()) status = writer_->Arrived(*block);
  if (status.ok()) status = order_->Take(block);
  return status;
}

client::ScanHandlers ResultStream::Handlers() {
  client::ScanHandlers handlers;
  handlers.on_manifest = [this](client::ScanManifest manifest) { return Begin(std::move(manifest)); };
  handlers.on_block = [this](ablation::v1::RowBlock block) { return TakeRows(std::move(block)); };
  handlers.on_likelihood = [this](ablation::v1::LikelihoodBlock block) {
    return order_->Take(std::make_shared<const ablation::v1::LikelihoodBlock>(std::move(block)));
  };
  handlers.on_compensation = [this](ablation::v1::CompensationBlock block) {
    return order_->Take(std::make_shared<const ablation::v1::CompensationBlock>(std::move(block)));
  };
  handlers.on_summary_head = [this](ablation::v1::SummaryHead head) {
    summary_.emplace().head = std::move(head);
    return absl::OkStatus();
  };
  handlers.on_summary = [this](ablation::v1::SummaryBlock block) {
    summary_->blocks.push_back(std::move(block));
    return absl::OkStatus();
  };
  return handlers;
}

absl::StatusOr<std::vector<int>> ResultStream::End(const ablation::v1::Completion& completion) {
  auto begun = order_->Finish();
  if (!begun.ok()) return begun;
  absl::Status status;
  if (summary_) status = writer_->Statistics(*summary_);
  status.Update(writer_->End(completion));
  if (!status.ok()) return status;
  return begun;
}

}  // namespace ablate::cli
