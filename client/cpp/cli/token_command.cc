// `ablate token`: the tokens of a server that asks for them. Works on the server's file, not over the wire.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/cpp/cli/command.h"
#include "client/cpp/cli/exit_code.h"
#include "client/cpp/cli/option_error.h"
#include "client/cpp/cli/output.h"
#include "server/auth/token_file.h"

namespace ablate::cli {
namespace {

struct TokenCommandOptions {
  std::string file, tenant, scopes, expires;
  std::string id;
};

constexpr char kDescription[] =
    "Make, list and revoke the API tokens that a server asks for (ablated --tokens FILE).\n"
    "Runs where the file is: whoever may write to it decides who may call. A living server sees a change within a "
    "second.";

constexpr char kFooter[] =
    "Examples:\n"
    "  ablate token create --file /etc/ablate/tokens.json --tenant vision-lab --scope scan,job --expires 90d\n"
    "  ablate token list --file /etc/ablate/tokens.json\n"
    "  ablate token revoke --file /etc/ablate/tokens.json 0123456789abcdef\n\n";

absl::StatusOr<std::string> FileOf(const TokenCommandOptions& options) {
  if (!options.file.empty()) return options.file;
  const char* const file = std::getenv("ABLATE_TOKENS");
  if (file != nullptr && *file != '\0') return std::string(file);
  return OptionError("--file is missing: name the server's token file (ablated --tokens), or set ABLATE_TOKENS");
}

// `30d`, or what ParseDuration knows.
absl::StatusOr<absl::Time> ExpiryOf(const std::string& text, absl::Time now) {
  if (text.empty()) return absl::InfiniteFuture();
  int64_t days = 0;
  absl::Duration duration;
  absl::string_view digits = text;
  if (absl::ConsumeSuffix(&digits, "d") && absl::SimpleAtoi(digits, &days) && days > 0 && days <= 36'500) {
    return now + absl::Hours(24 * days);
  }
  if (absl::ParseDuration(text, &duration) && duration > absl::ZeroDuration() && duration < absl::Hours(24 * 36'500)) {
    return now + duration;
  }
  return OptionError("--expires `", text, "`: expected a time from now such as 30d or 12h");
}

absl::Status Print(const std::string& text) {
  const auto output = Output::Standard();
  auto status = output->Write(text);
  status.Update(output->Commit());
  return status;
}

absl::Status RunCreate(const TokenCommandOptions& options) {
  const auto file = FileOf(options);
  if (!file.ok()) return file.status();
  const absl::Time now = absl::Now();
  const auto expires = ExpiryOf(options.expires, now);
  if (!expires.ok()) return expires.status();
  TokenOptions wanted = {.tenant = options.tenant, .scopes = {}, .created = now, .expires = *expires};
  for (const absl::string_view word : absl::StrSplit(options.scopes, ',')) {
    const auto scope = ParseScope(word);
    if (!scope.ok()) return OptionError("--scope: ", scope.status().message());
    wanted.scopes.push_back(*scope);
  }
  const auto token = IssueToken(wanted);
  if (!token.ok()) return token.status();
  const absl::Status stored = ChangeTokenFile(*file, [&](TokenRecords& records) {
    records.push_back(token->record);
    return absl::OkStatus();
  });
  if (!stored.ok()) return stored;
  // To where it does not get between the token and a pipe.
  std::cerr << "The token of " << options.tenant << ", id " << token->record.id
            << ". It is shown this once; the file has its hash only.\n";
  return Print(absl::StrCat(token->text, "\n"));
}

std::string TimeText(absl::Time time) {
  return time == absl::InfiniteFuture() ? "never" : absl::FormatTime("%Y-%m-%d %H:%M UTC", time, absl::UTCTimeZone());
}

absl::Status RunList(const TokenCommandOptions& options) {
  const auto file = FileOf(options);
  if (!file.ok()) return file.status();
  const auto records = ReadTokenFile(*file);
  if (!records.ok()) return records.status();
  if (records->empty()) return Print("no tokens\n");
  std::string table =
      absl::StrFormat("%-16s  %-32s  %-14s  %-20s  %s\n", "id", "tenant", "scopes", "created", "expires");
  for (const TokenRecord& record : *records) {
    const std::string scopes =
        absl::StrJoin(record.scopes, ",", [](std::string* out, Scope scope) { out->append(Name(scope)); });
    absl::StrAppend(&table, absl::StrFormat("%-16s  %-32s  %-14s  %-20s  %s%s\n", record.id, record.tenant, scopes,
                                            TimeText(record.created), TimeText(record.expires),
                                            record.expires <= absl::Now() ? " (expired)" : ""));
  }
  return Print(table);
}

absl::Status RunRevoke(const TokenCommandOptions& options) {
  const auto file = FileOf(options);
  if (!file.ok()) return file.status();
  if (!IsTokenId(options.id)) {
    return OptionError("got another text than an id, expected the 16 hex digits that `ablate token list` shows");
  }
  return ChangeTokenFile(*file, [&](TokenRecords& records) {
    const auto gone = std::erase_if(records, [&](const TokenRecord& record) { return record.id == options.id; });
    return gone > 0 ? absl::OkStatus()
                    : absl::NotFoundError(absl::StrCat("there is no token ", options.id, " in ", *file));
  });
}

}  // namespace

Command AddTokenCommand(CLI::App* app) {
  auto options = std::make_shared<TokenCommandOptions>();
  auto* command = app->add_subcommand("token", kDescription);
  command->require_subcommand(1);
  command->footer(absl::StrCat(kFooter, kExitCodesHelp));
  auto* create = command->add_subcommand("create", "Add a token and print it, this once.");
  create
      ->add_option("--tenant", options->tenant,
                   "Whose it is: 1 .. 32 of a-z, 0-9 and `-`. Tenants see their own jobs and means")
      ->required();
  create
      ->add_option(
          "--scope", options->scopes,
          "What it is good for, with commas: scan (scans, tokens, means), job, admin (both, and what may come)")
      ->required();
  create->add_option("--expires", options->expires, "How long it is good for, e.g. 30d or 12h (default: for good)");
  auto* list = command->add_subcommand("list", "Show all tokens but their secrets.");
  auto* revoke = command->add_subcommand("revoke", "Remove a token: calls that begin from now on are refused.");
  revoke->add_option("ID", options->id, "As `ablate token list` shows it")->required();
  for (CLI::App* each : {create, list, revoke}) {
    each->add_option("--file", options->file, "The server's token file (default: $ABLATE_TOKENS)");
  }
  return [options, create, list] {
    if (create->parsed()) return RunCreate(*options);
    return list->parsed() ? RunList(*options) : RunRevoke(*options);
  };
}

}  // namespace ablate::cli
