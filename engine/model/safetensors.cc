#include "engine/model/safetensors.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/files/strict_json.h"

namespace ablate {
namespace {

using nlohmann::json;

constexpr uint64_t kLengthBytes = 8;
constexpr size_t kMaxDims = 8;
constexpr size_t kMaxNameBytes = 256;

// A tensor's entry in the header, with its place in the data.
struct Entry {
  TensorView view;
  uint64_t begin = 0;
  uint64_t end = 0;
};

// Makes the errors of one tensor: `PATH: tensor `NAME`: WHAT`.
class EntryReader {
 public:
  EntryReader(std::string_view path, const std::string& name, absl::Span<const uint8_t> data)
      : path_(path), name_(name), data_(data) {}

  absl::StatusOr<Entry> Read(const json& value) const {
    Entry entry;
    entry.view.name = name_;
    entry.view.file = std::string(path_);
    if (!value.is_object()) return Error(absl::StrCat("entry is ", Quote(value), ", expected an object"));
    for (const auto& [key, unused] : value.items()) {
      if (key != "dtype" && key != "shape" && key != "data_offsets") {
        return Error(absl::StrCat("unknown key ", Quote(std::string_view(key)),
                                  ", expected `dtype`, `shape` and `data_offsets`"));
      }
    }
    absl::Status status = ReadDtype(value, entry);
    if (status.ok()) status = ReadShape(value, entry);
    if (status.ok()) status = ReadOffsets(value, entry);
    if (status.ok()) status = CheckSize(entry);
    if (!status.ok()) return status;
    entry.view.bytes = data_.subspan(entry.begin, entry.end - entry.begin);
    return entry;
  }

 private:
  absl::Status Error(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(absl::string_view(path_.data(), path_.size()), ": tensor ",
                                                   Quote(std::string_view(name_)), ": ", what));
  }

  absl::Status ReadDtype(const json& value, Entry& entry) const {
    const auto found = value.find("dtype");
    if (found == value.end()) return Error("`dtype` is missing, expected a type such as `F32`");
    if (!found->is_string())
      return Error(absl::StrCat("`dtype` is ", Quote(*found), ", expected a string such as `F32`"));
    const std::optional<Dtype> dtype = ParseDtype(found->get_ref<const std::string&>());
    if (!dtype.has_value()) {
      return Error(absl::StrCat("`dtype` is ", Quote(*found), ", which is no known type; expected F32, F16 or BF16"));
    }
    entry.view.dtype = *dtype;
    return absl::OkStatus();
  }

  absl::Status ReadShape(const json& value, Entry& entry) const {
    const auto found = value.find("shape");
    if (found == value.end()) return Error("`shape` is missing, expected an array of sizes");
    if (!found->is_array() || found->size() > kMaxDims) {
      return Error(absl::StrCat("`shape` is ", Quote(*found), ", expected an array of at most ", kMaxDims, " sizes"));
    }
    for (const json& size : *found) {
      if (!size.is_number_unsigned() || size.get<uint64_t>() > std::numeric_limits<int64_t>::max()) {
        return Error(absl::StrCat("`shape` holds ", Quote(size), ", expected an integer from 0 to 2^63 - 1"));
      }
      entry.view.shape.push_back(size.get<int64_t>());
    }
    return absl::OkStatus();
  }

  absl::Status ReadOffsets(const json& value, Entry& entry) const {
    const auto found = value.find("data_offsets");
    if (found == value.end()) return Error("`data_offsets` is missing, expected [begin, end]");
    if (!found->is_array() || found->size() != 2 || !(*found)[0].is_number_unsigned() ||
        !(*found)[1].is_number_unsigned()) {
      return Error(absl::StrCat("`data_offsets` is ", Quote(*found), ", expected [begin, end], two integers from 0"));
    }
    entry.begin = (*found)[0].get<uint64_t>();
    entry.end = (*found)[1].get<uint64_t>();
    if (entry.begin > entry.end || entry.end > data_.size()) {
      return Error(absl::StrCat("`data_offsets` is ", Quote(*found), ", expected begin <= end <= ", data_.size(),
                                ", the bytes of data in the file"));
    }
    return absl::OkStatus();
  }

  absl::Status CheckSize(const Entry& entry) const {
    const std::string what =
        absl::StrCat("shape ", ShapeString(entry.view.shape), " of ", std::string(Name(entry.view.dtype)));
    // The product of all sizes, and of all but a zero, fits: no later arithmetic on the shape can overflow.
    int64_t bytes = SizeInBytes(entry.view.dtype);
    bool empty = false;
    for (const int64_t size : entry.view.shape) {
      empty |= size == 0;
      if (size != 0 && __builtin_mul_overflow(bytes, size, &bytes)) {
        return Error(absl::StrCat(what, " needs more than 2^63 bytes, expected ", entry.end - entry.begin,
                                  " as `data_offsets` says"));
      }
    }
    if (empty) bytes = 0;
    if (static_cast<uint64_t>(bytes) != entry.end - entry.begin) {
      return Error(absl::StrCat(what, " needs ", bytes, " bytes, but `data_offsets` [", entry.begin, ", ", entry.end,
                                "] holds ", entry.end - entry.begin));
    }
    return absl::OkStatus();
  }

  std::string_view path_;
  const std::string& name_;
  absl::Span<const uint8_t> data_;
};

absl::Status FileError(std::string_view path, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(absl::string_view(path.data(), path.size()), ": ", what));
}

absl::StatusOr<std::string_view> FindHeader(absl::Span<const uint8_t> bytes, std::string_view path) {
  if (bytes.size() < kLengthBytes) {
    return FileError(path, absl::StrCat("the file has ", bytes.size(),
                                        " bytes, expected at least 8 for the length of a safetensors header"));
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length < 2 || length > kMaxSafetensorsHeaderBytes) {
    return FileError(path, absl::StrCat("the safetensors header's length is ", length, ", expected 2 to ",
                                        kMaxSafetensorsHeaderBytes, " bytes; is this a safetensors file?"));
  }
  if (length > bytes.size() - kLengthBytes) {
    return FileError(path, absl::StrCat("the safetensors header's length is ", length, ", but only ",
                                        bytes.size() - kLengthBytes, " bytes follow; the file is cut off"));
  }
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, length);
  if (header.front() != '{') {
    return FileError(path,
                     absl::StrCat("the safetensors header starts with ", Quote(header.substr(0, 1)), ", expected `{`"));
  }
  return header;
}

absl::Status CheckMetadata(const json& value, std::string_view path) {
  if (!value.is_object()) {
    return FileError(path, absl::StrCat("`__metadata__` is ", Quote(value), ", expected an object of strings"));
  }
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) {
      return FileError(path, absl::StrCat("`__metadata__`: ", Quote(std::string_view(key)), " is ", Quote(text),
                                          ", expected a string"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckName(const std::string& name, std::string_view path) {
  const bool printable = std::all_of(name.begin(), name.end(), [](unsigned char c) { return c >= 0x20 && c != 0x7F; });
  if (printable && !name.empty() && name.size() <= kMaxNameBytes) return absl::OkStatus();
  return FileError(path, absl::StrCat("a tensor is named ", Quote(std::string_view(name)), " (", name.size(),
                                      " bytes), expected 1 to ", kMaxNameBytes, " bytes without control characters"));
}

// Sorted by place, each tensor must begin where the one before it ended, and the last must end with the file.
absl::Status CheckCover(absl::Span<const Entry> entries, uint64_t data_bytes, std::string_view path) {
  uint64_t end = 0;
  const std::string* previous = nullptr;
  for (const Entry& entry : entries) {
    if (entry.begin != end) {
      const std::string behind = previous == nullptr
                                     ? "0, where the data begins"
                                     : absl::StrCat(end, ", where ", Quote(std::string_view(*previous)), " ends");
      return FileError(path, absl::StrCat("tensor ", Quote(std::string_view(entry.view.name)), ": begins at byte ",
                                          entry.begin, " of the data, expected ", behind, ": ",
                                          entry.begin < end ? "tensors overlap" : "there is a hole"));
    }
    end = entry.end;
    previous = &entry.view.name;
  }
  if (end == data_bytes) return absl::OkStatus();
  return FileError(path, absl::StrCat("the tensors end at byte ", end, " of the data, expected ", data_bytes,
                                      ", the end of the file: bytes are left over"));
}

}  // namespace

absl::StatusOr<std::vector<TensorView>> ParseSafetensors(absl::Span<const uint8_t> bytes, std::string_view path,
                                                         std::map<std::string, std::string>* metadata) {
  const absl::StatusOr<std::string_view> header = FindHeader(bytes, path);
  if (!header.ok()) return header.status();
  const absl::Span<const uint8_t> data = bytes.subspan(kLengthBytes + header->size());
  const absl::StatusOr<json> root = ParseStrictJson(*header, absl::StrCat(std::string(path), ": safetensors header"));
  if (!root.ok()) return root.status();

  std::vector<Entry> entries;
  for (const auto& [name, value] : root->items()) {
    if (name == "__metadata__") {
      if (absl::Status status = CheckMetadata(value, path); !status.ok()) return status;
      if (metadata != nullptr) *metadata = value.get<std::map<std::string, std::string>>();
      continue;
    }
    if (absl::Status status = CheckName(name, path); !status.ok()) return status;
    absl::StatusOr<Entry> entry = EntryReader(path, name, data).Read(value);
    if (!entry.ok()) return entry.status();
    entries.push_back(*std::move(entry));
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  if (absl::Status status = CheckCover(entries, data.size(), path); !status.ok()) return status;
  std::vector<TensorView> tensors;
  tensors.reserve(entries.size());
  for (Entry& entry : entries) tensors.push_back(std::move(entry.view));
  return tensors;
}

}  // namespace ablate
