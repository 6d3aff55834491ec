// The bad-request table: what each mistake is answered with.
#pragma once

#include <string>
#include <vector>

namespace ablate {

struct BadRequestCase {
  std::string name;
  // What is added to two good prompts, each a pair.
  std::string damage;
  std::string field;
  std::string reason;
  // Must stand in the message.
  std::string message;
};

// Text, so many times.
std::string Times(int times, const std::string& text);

// `prompts { text }`, `sweep { text }`.
std::string Prompt(const std::string& fields);
std::string Sweep(const std::string& fields);

std::vector<BadRequestCase> PromptCases();
std::vector<BadRequestCase> SweepCases();
std::vector<BadRequestCase> ReplacementCases();
std::vector<BadRequestCase> ReadoutCases();
std::vector<BadRequestCase> SummaryCases();

}  // namespace ablate
