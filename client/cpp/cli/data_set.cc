#include "client/cpp/cli/data_set.h"

#include <algorithm>
#include <utility>

namespace ablate::cli {

void DataSet::SetField(const std::string& name, std::string json) {
  const auto found = std::find(field_names.begin(), field_names.end(), name);
  const size_t column = found - field_names.begin();
  if (found == field_names.end()) field_names.push_back(name);
  fields.resize(prompts.size());
  if (fields.back().size() <= column) fields.back().resize(column + 1);
  fields.back()[column] = std::move(json);
}

}  // namespace ablate::cli
