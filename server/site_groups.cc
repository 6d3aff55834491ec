#include "server/site_groups.h"

#include <algorithm>
#include <cstdint>
#include <set>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/quote.h"
#include "server/sweep_request.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

absl::Status CheckAllowed(const Site& site, ModelShape shape, absl::Span<const Site> allowed, const std::string& path) {
  if (site.layer >= shape.n_layers || site.head >= shape.n_heads) {
    return BadField(path, "SITE_INVALID",
                    absl::StrCat("got ", Label(site), ", expected layer 0 .. ", shape.n_layers - 1, " and head 0 .. ",
                                 shape.n_heads - 1));
  }
  if (std::binary_search(allowed.begin(), allowed.end(), site)) return absl::OkStatus();
  return BadField(path, "SITE_FILTERED_OUT",
                  absl::StrCat("got ", Label(site), ", expected a site that `sweep.filter` lets pass"));
}

absl::StatusOr<SiteSet> GroupSet(const pb::SiteGroup& group, ModelShape shape, absl::Span<const Site> allowed,
                                 const std::string& field) {
  if (group.name().size() > kMaxGroupName) {
    return BadField(absl::StrCat(field, ".name"), "NAME_TOO_LONG",
                    absl::StrCat("got ", group.name().size(), " bytes, expected at most ", kMaxGroupName));
  }
  if (group.sites().empty()) {
    return BadField(absl::StrCat(field, ".sites"), "SITES_MISSING", "got no site, expected at least one");
  }
  std::vector<bool> chosen(allowed.size(), false);
  for (int i = 0; i < group.sites_size(); ++i) {
    const std::string path = absl::StrCat(field, ".sites[", i, "]");
    const auto sites = ParseSitePattern(group.sites(i), shape);
    if (!sites.ok()) return BadField(path, "SITE_INVALID", sites.status().message());
    bool names_one = false;
    for (const Site& site : *sites) {
      const auto found = std::lower_bound(allowed.begin(), allowed.end(), site);
      if (found == allowed.end() || *found != site) continue;
      chosen[static_cast<size_t>(found - allowed.begin())] = names_one = true;
    }
    if (!names_one) {
      return BadField(path, "SITE_FILTERED_OUT",
                      absl::StrCat("got ", group.sites(i), ", expected a site that `sweep.filter` lets pass"));
    }
  }
  SiteSet set{.sites = {}, .name = group.name()};
  for (size_t i = 0; i < allowed.size(); ++i) {
    if (chosen[i]) set.sites.push_back(allowed[i]);
  }
  if (set.name.empty()) set.name = Label(set.sites, shape);
  return set;
}

}  // namespace

absl::StatusOr<std::vector<Site>> FilteredSites(const pb::SiteFilter& filter, ModelShape shape,
                                                const std::string& field) {
  auto sites = SelectSites({.layers = {filter.layers().begin(), filter.layers().end()},
                            .heads = {filter.heads().begin(), filter.heads().end()},
                            .sites = {filter.sites().begin(), filter.sites().end()}},
                           shape);
  if (sites.ok()) return sites;
  // `layers[1]: what is wrong`.
  const absl::string_view message = sites.status().message();
  const size_t colon = message.find(": ");
  if (colon == absl::string_view::npos) return BadField(field, "SITE_INVALID", message);
  return BadField(absl::StrCat(field, ".", message.substr(0, colon)), "SITE_INVALID", message.substr(colon + 2));
}

absl::StatusOr<std::vector<SiteSet>> GroupSets(const google::protobuf::RepeatedPtrField<pb::SiteGroup>& groups,
                                               ModelShape shape, absl::Span<const Site> allowed,
                                               const std::string& field) {
  if (groups.empty()) return BadField(field, "GROUPS_MISSING", "got no group, expected at least one");
  std::vector<SiteSet> sets;
  absl::flat_hash_map<std::string, int> first_of;
  int64_t n_sites = 0;
  for (int i = 0; i < groups.size(); ++i) {
    auto set = GroupSet(groups[i], shape, allowed, absl::StrCat(field, "[", i, "]"));
    if (!set.ok()) return set.status();
    const auto [named, is_new] = first_of.try_emplace(set->name, i);
    // Unnamed ones are alike where their sites are.
    const bool is_given = !groups[i].name().empty() || !groups[named->second].name().empty();
    if (!is_new && is_given) {
      return BadField(absl::StrCat(field, "[", i, "].name"), "NAME_REPEATED",
                      absl::StrCat("got ", Quoted(set->name), ", which is also ", field, "[", named->second,
                                   "]'s, expected each name once"));
    }
    n_sites += static_cast<int64_t>(set->sites.size());
    sets.push_back(*std::move(set));
    // Patterns are short and the groups that they name are not: counted before the memory is full.
    if (absl::Status status = CheckVariantCount(i + 1, n_sites, 1, 1); !status.ok()) return status;
  }
  return sets;
}

absl::StatusOr<std::vector<Site>> OrderedSites(const google::protobuf::RepeatedPtrField<std::string>& order,
                                               ModelShape shape, absl::Span<const Site> allowed,
                                               const std::string& field) {
  std::vector<Site> sites;
  std::set<Site> seen;
  for (int i = 0; i < order.size(); ++i) {
    const std::string path = absl::StrCat(field, "[", i, "]");
    const auto site = ParseSite(order[i]);
    if (!site.ok()) {
      return BadField(
          path, "SITE_INVALID",
          absl::StrCat(site.status().message(), absl::StrContains(order[i], "*") ? "; no patterns here" : ""));
    }
    if (absl::Status status = CheckAllowed(*site, shape, allowed, path); !status.ok()) return status;
    if (!seen.insert(*site).second) {
      return BadField(path, "SITE_REPEATED", absl::StrCat(Label(*site), " is named twice, expected each once"));
    }
    sites.push_back(*site);
  }
  return sites;
}

}  // namespace ablate
