#include "server/replacements.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/mean_replacement.h"
#include "server/unit_scan.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

absl::Status CheckFinite(double value, const std::string& field) {
  if (std::isfinite(value)) return absl::OkStatus();
  return BadField(field, "NUMBER_NOT_FINITE", absl::StrCat("got ", value, ", expected a finite number"));
}

absl::Status CheckConstant(const pb::ConstantReplacement& constant, int32_t d_head, const std::string& field) {
  switch (constant.value_case()) {
    case pb::ConstantReplacement::kScalar:
      return CheckFinite(constant.scalar(), absl::StrCat(field, ".scalar"));
    case pb::ConstantReplacement::kVector: {
      const std::string path = absl::StrCat(field, ".vector.values");
      const auto& values = constant.vector().values();
      if (values.size() != d_head) {
        return BadField(path, "VECTOR_LENGTH",
                        absl::StrCat("got ", values.size(), " numbers, expected ", d_head, " (the model's d_head)"));
      }
      for (int i = 0; i < values.size(); ++i) {
        absl::Status status = CheckFinite(values[i], absl::StrCat(path, "[", i, "]"));
        if (!status.ok()) return status;
      }
      return absl::OkStatus();
    }
    case pb::ConstantReplacement::VALUE_NOT_SET:
      break;
  }
  return BadField(field, "CONSTANT_MISSING", "neither `scalar` nor `vector` is set, expected one of them");
}

absl::Status CheckDirection(pb::Direction direction, const std::string& field) {
  if (direction == pb::DIRECTION_NOISING || direction == pb::DIRECTION_DENOISING) return absl::OkStatus();
  return BadField(field, "DIRECTION_MISSING",
                  absl::StrCat("got ",
                               pb::Direction_IsValid(direction) ? pb::Direction_Name(direction)
                                                                : absl::StrCat("number ", static_cast<int>(direction)),
                               ", expected DIRECTION_NOISING or DIRECTION_DENOISING: it is always named"));
}

absl::Status CheckReplacement(const pb::Replacement& replacement, const EngineInfo& info, const std::string& field) {
  switch (replacement.kind_case()) {
    case pb::Replacement::kZero:
    case pb::Replacement::kZeroKeepValueBias:
      return absl::OkStatus();
    case pb::Replacement::kMean:
      if (!replacement.mean().library().empty()) return absl::OkStatus();
      return BadField(absl::StrCat(field, ".mean.library"), "MEAN_LIBRARY_MISSING",
                      "no library is named, expected the id of one that `ComputeMeans` made");
    case pb::Replacement::kConstant:
      return CheckConstant(replacement.constant(), info.d_head, absl::StrCat(field, ".constant"));
    case pb::Replacement::kScale:
      return CheckFinite(replacement.scale().factor(), absl::StrCat(field, ".scale.factor"));
    case pb::Replacement::kResample:
      return CheckDirection(replacement.resample().direction(), absl::StrCat(field, ".resample.direction"));
    case pb::Replacement::KIND_NOT_SET:
      break;
  }
  return BadField(
      field, "REPLACEMENT_MISSING",
      "no kind of replacement is set, expected `zero`, `zero_keep_value_bias`, `mean`, `constant`, `scale` or "
      "`resample`");
}

PreparedReplacement AppendConstant(const pb::ConstantReplacement& constant, EditTable& table) {
  const PreparedReplacement replacement{.first_entry = static_cast<int32_t>(table.n_entries())};
  if (constant.has_vector()) {
    const auto& values = constant.vector().values();
    table.values.insert(table.values.end(), values.begin(), values.end());
  } else {
    table.values.insert(table.values.end(), static_cast<size_t>(table.d_head), constant.scalar());
  }
  return replacement;
}

PreparedReplacement AppendValueBias(const std::vector<double>& bias, EditTable& table) {
  const PreparedReplacement replacement{.first_entry = static_cast<int32_t>(table.n_entries()), .site_stride = 1};
  table.values.insert(table.values.end(), bias.begin(), bias.end());
  return replacement;
}

absl::Status CheckTableSize(absl::Span<const std::shared_ptr<const MeanLibrary>> libraries, size_t n_templates,
                            int32_t n_positions) {
  absl::flat_hash_map<std::string, int64_t> size_of;
  for (const auto& library : libraries) {
    if (library != nullptr) size_of[library->info.id()] = MeanTableSize(*library, n_templates, n_positions);
  }
  int64_t size = 0;
  for (const auto& [id, values] : size_of) size += values;
  if (size <= kMaxTableValues) return absl::OkStatus();
  return OverQuota("TOO_MANY_MEANS", absl::StrCat("replacements: the mean libraries' means for this request are ", size,
                                                  " numbers, expected at most ", kMaxTableValues,
                                                  ": name fewer libraries or fewer templates at a time"));
}

}  // namespace

absl::Status CheckReplacements(const pb::AblateRequest& request, const EngineInfo& info) {
  if (request.replacements_size() > kMaxReplacements) {
    return BadField(
        "replacements", "TOO_MANY_REPLACEMENTS",
        absl::StrCat("got ", request.replacements_size(), " replacements, expected at most ", kMaxReplacements));
  }
  for (int r = 0; r < request.replacements_size(); ++r) {
    absl::Status status = CheckReplacement(request.replacements(r), info, absl::StrCat("replacements[", r, "]"));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status FillReplacements(const pb::AblateRequest& request, const Engine& engine,
                              absl::Span<const std::shared_ptr<const MeanLibrary>> libraries,
                              PreparedRequest& prepared) {
  size_t longest = 0;
  for (size_t p = 0; p < prepared.prompts.size(); ++p) {
    const size_t length = prepared.prompts[p].token_ids.size() + static_cast<size_t>(MostAppended(prepared, p));
    longest = std::max(longest, length);
  }
  const auto n_positions = static_cast<int32_t>(longest);
  const std::vector<std::string> templates = GroupByTemplate(prepared.prompts);
  absl::Status status = CheckTableSize(libraries, templates.size(), n_positions);
  if (!status.ok()) return status;
  auto table = std::make_shared<EditTable>();
  table->d_head = engine.Describe().d_head;
  absl::flat_hash_map<std::string, PreparedReplacement> appended;
  for (int r = 0; r < request.replacements_size(); ++r) {
    const pb::Replacement& replacement = request.replacements(r);
    PreparedReplacement to;  // zero
    if (replacement.has_zero_keep_value_bias()) to = AppendValueBias(engine.FoldedValueBias(), *table);
    if (replacement.has_constant()) to = AppendConstant(replacement.constant(), *table);
    if (replacement.has_scale()) to = {.scale = replacement.scale().factor()};
    if (replacement.has_resample()) {
      to = {.scale = 1.0F,
            .from_donor = true,
            .edits_corrupted = replacement.resample().direction() == pb::DIRECTION_DENOISING};
    }
    if (replacement.has_mean()) {
      const MeanLibrary& library = *libraries[static_cast<size_t>(r)];
      const auto [known, is_new] = appended.try_emplace(library.info.id());
      if (is_new) known->second = AppendMeans(library, templates, n_positions, *table);
      to = known->second;
    }
    prepared.replacements.push_back(to);
  }
  if (request.replacements().empty()) prepared.replacements.emplace_back();
  if (!table->values.empty()) prepared.table = std::move(table);
  return absl::OkStatus();
}

}  // namespace ablate
