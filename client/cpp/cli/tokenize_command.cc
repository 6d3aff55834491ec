// `ablate tokenize`.
#include <CLI/CLI.hpp>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/cli/command.h"
#include "client/cpp/cli/exit_code.h"
#include "client/cpp/cli/interrupt.h"
#include "client/cpp/cli/jsonl.h"
#include "client/cpp/cli/output.h"
#include "client/cpp/cli/session.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

struct TokenizeOptions {
  CommonOptions common;
  std::vector<std::string> texts;
  bool prepend_bos = false;
  std::string format = "table";
};

constexpr char kFooter[] =
    "Examples:\n"
    "  ablate tokenize ' Germany'\n"
    "  ablate tokenize --format jsonl 'Berlin is the capital of' ' Germany'\n\n";

std::string TableOf(const std::string& text, const ablation::v1::Tokenization& tokenization) {
  std::string table = absl::StrCat(Quote(text), ": ", tokenization.tokens_size(),
                                   tokenization.tokens_size() == 1 ? " token\n" : " tokens\n");
  for (const auto& token : tokenization.tokens()) {
    // The bytes are worth showing only where the text does not tell them.
    const std::string bytes =
        token.raw() == token.text() ? "" : absl::StrCat("  bytes ", absl::BytesToHexString(token.raw()));
    absl::StrAppendFormat(&table, "%8d  %s%s\n", token.id(), Quote(token.text()), bytes);
  }
  return table;
}

// `raw` is hexadecimal: the bytes need not be UTF-8.
std::string JsonOf(const std::string& text, const ablation::v1::Tokenization& tokenization) {
  std::string line = absl::StrCat("{\"text\": ", JsonString(text), ", \"tokens\": [");
  for (int i = 0; i < tokenization.tokens_size(); ++i) {
    const auto& token = tokenization.tokens(i);
    absl::StrAppend(&line, i == 0 ? "" : ", ", "{\"id\": ", token.id(), ", \"text\": ", JsonString(token.text()),
                    ", \"raw\": \"", absl::BytesToHexString(token.raw()), "\"}");
  }
  return line + "]}\n";
}

absl::Status RunTokenize(const TokenizeOptions& options) {
  InterruptScope interrupt;
  auto session = Session::Open(options.common, absl::Seconds(30), interrupt.cancellation());
  if (!session.ok()) return session.status();
  ablation::v1::TokenizeRequest request;
  for (const std::string& text : options.texts) request.add_texts(text);
  request.set_prepend_bos(options.prepend_bos);
  const auto response = session->client().Tokenize(request, session->call());
  if (!response.ok()) return response.status();
  const auto output = Output::Standard();
  for (int i = 0; i < response->texts_size(); ++i) {
    const auto& tokens = response->texts(i);
    auto status =
        output->Write(options.format == "jsonl" ? JsonOf(options.texts[i], tokens) : TableOf(options.texts[i], tokens));
    if (!status.ok()) return status;
  }
  return output->Commit();
}

}  // namespace

Command AddTokenizeCommand(CLI::App* app) {
  auto options = std::make_shared<TokenizeOptions>();
  auto* command =
      app->add_subcommand("tokenize", "Show the tokens of texts, e.g. to check that a target is a single token.");
  command->add_option("TEXT", options->texts, "Texts; a token's leading space belongs to it")->required();
  command->add_flag("--prepend-bos", options->prepend_bos, "Put <|endoftext|> in front of each text");
  command->add_option("--format", options->format, "table or jsonl (default: table)")
      ->check(CLI::IsMember({"table", "jsonl"}));
  AddCommonOptions(command, &options->common, "30s");
  command->footer(absl::StrCat(kFooter, kExitCodesHelp));
  return [options] { return RunTokenize(*options); };
}

}  // namespace ablate::cli
