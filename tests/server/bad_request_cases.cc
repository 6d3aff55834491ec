#include "tests/server/bad_request_cases.h"

#include "absl/strings/str_cat.h"

namespace ablate {
namespace {

std::string Replace(const std::string& fields) {
  return absl::StrCat("replacements { zero {} } replacements { ", fields, " }");
}
std::string Read(const std::string& fields) {
  return absl::StrCat("readout { ", fields, " }");
}

}  // namespace

std::string Times(int times, const std::string& text) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text + " ";
  return all;
}

std::string Prompt(const std::string& fields) {
  return absl::StrCat("prompts { ", fields, " }");
}
std::string Sweep(const std::string& fields) {
  return absl::StrCat("sweep { ", fields, " }");
}
// The good prompts are prompts[0] and prompts[1]; what a case adds is prompts[2].
std::vector<BadRequestCase> PromptCases() {
  return {
      {"NoInput", Prompt(""), "prompts[2]", "PROMPT_MISSING", "neither `text` nor `token_ids` is set"},
      {"EmptyPrompt", Prompt("text: ''"), "prompts[2].text", "PROMPT_EMPTY",
       "the prompt is empty, expected at least one token"},
      {"EmptyIds", Prompt("token_ids {}"), "prompts[2].token_ids", "PROMPT_EMPTY", "the prompt is empty"},
      {"TooLong", Prompt("text: '" + std::string(33, 'x') + "'"), "prompts[2].text", "PROMPT_TOO_LONG",
       "has 33 tokens, expected at most 32"},
      {"TooLongWithBos", "prepend_bos: true " + Prompt("text: '" + std::string(32, 'x') + "'"), "prompts[2].text",
       "PROMPT_TOO_LONG", "has 33 tokens with BOS"},
      {"IdTooLarge", Prompt("token_ids { ids: [1, 261] }"), "prompts[2].token_ids.ids[1]", "TOKEN_ID_OUT_OF_RANGE",
       "got id 261, expected 0 .. 260"},
      {"TargetOfTwoTokens", Prompt("text: 'x' targets { text: ' Germanyy' }"), "prompts[2].targets[0].text",
       "NOT_ONE_TOKEN", "\" Germanyy\" is 2 tokens, expected exactly one: \" Germany\" (259), \"y\" (121)"},
      {"TargetOfManyTokens", Prompt("text: 'x' targets { text: '" + std::string(5000, 'a') + "' }"),
       "prompts[2].targets[0].text", "NOT_ONE_TOKEN", "is 5000 tokens, expected exactly one: \"a\" (97)"},
      {"ContrastOfTwoTokens", Prompt("text: 'x' targets { id: 1 } contrasts { id: 2 } contrasts { text: '\\n\"' }"),
       "prompts[2].contrasts[1].text", "NOT_ONE_TOKEN", "\"\\n\\\"\" is 2 tokens"},
      {"EmptyTarget", Prompt("text: 'x' targets { text: '' }"), "prompts[2].targets[0].text", "TOKEN_TEXT_EMPTY",
       "the text is empty, expected one token"},
      {"TargetWithoutRef", Prompt("text: 'x' targets {}"), "prompts[2].targets[0]", "TOKEN_MISSING",
       "neither `text` nor `id` is set"},
      {"NegativeTarget", Prompt("text: 'x' targets { id: -1 }"), "prompts[2].targets[0].id", "TOKEN_ID_OUT_OF_RANGE",
       "got id -1"},
      {"UnknownContrast", Prompt("text: 'x' contrasts { id: 50257 }"), "prompts[2].contrasts[0].id",
       "TOKEN_ID_OUT_OF_RANGE", "got id 50257, expected 0 .. 260"},
      {"TargetTwice", Prompt("text: 'x' targets { id: 259 } targets { text: ' Germany' }"), "prompts[2].targets[1]",
       "ANSWER_REPEATED", "token 259 is named twice"},
      {"TargetIsContrast", Prompt("text: 'x' targets { id: 7 } contrasts { id: 8 } contrasts { id: 7 }"),
       "prompts[2].contrasts[1]", "ANSWER_REPEATED", "token 7 is named twice"},
      {"TooManyTargets", Prompt("text: 'x' " + Times(1001, "targets { id: 1 }")), "prompts[2].targets",
       "ANSWER_COUNT_OUT_OF_RANGE", "got 1001 targets, expected 0 .. 1000"},
      {"TooManyContrasts", Prompt("text: 'x' " + Times(1001, "contrasts { id: 1 }")), "prompts[2].contrasts",
       "ANSWER_COUNT_OUT_OF_RANGE", "got 1001 contrasts, expected 0 .. 1000"},
      {"UnequalPair", Prompt("text: 'abc' corrupted_text: 'abcde'"), "prompts[2].corrupted_text", "PAIR_UNEQUAL",
       "the corrupted prompt has 5 tokens, expected as many as the clean one's 3"},
      {"UnequalPairOfIds", "prepend_bos: true " + Prompt("text: 'abc' corrupted_token_ids { ids: 7 }"),
       "prompts[2].corrupted_token_ids", "PAIR_UNEQUAL",
       "has 2 tokens with BOS, expected as many as the clean one's 4"},
      {"CorruptedIdTooLarge", Prompt("text: 'a' corrupted_token_ids { ids: 999 }"),
       "prompts[2].corrupted_token_ids.ids[0]", "TOKEN_ID_OUT_OF_RANGE", "got id 999"},
      {"EmptyCorrupted", Prompt("text: 'a' corrupted_text: ''"), "prompts[2].corrupted_text", "PROMPT_EMPTY",
       "the prompt is empty"},
      {"NoPair", Replace("resample { direction: DIRECTION_NOISING }") + Prompt("text: 'x'"), "prompts[2]",
       "PAIR_MISSING", "expected one of them: replacements[1] is `resample`"},
  };
}

std::vector<BadRequestCase> SweepCases() {
  return {
      {"SweepWithoutKind", "sweep {}", "sweep", "SWEEP_MISSING", "expected `heads`, `layers`"},
      {"LayerTooLarge", Sweep("heads {} filter { layers: [0, 2] }"), "sweep.filter.layers[1]", "SITE_INVALID",
       "got 2, expected 0 .. 1"},
      {"HeadNegative", Sweep("layers {} filter { heads: -3 }"), "sweep.filter.heads[0]", "SITE_INVALID",
       "got -3, expected 0 .. 2"},
      {"HeadTwice", Sweep("heads {} filter { heads: [1, 0, 1] }"), "sweep.filter.heads[2]", "SITE_INVALID",
       "got 1, which is named twice"},
      {"PatternOutOfRange", Sweep("heads {} filter { sites: ['L0H0', 'L2H*'] }"), "sweep.filter.sites[1]",
       "SITE_INVALID", "site \"L2H*\" has layer 2, expected 0 .. 1"},
      {"PatternOfNoForm", Sweep("heads {} filter { sites: 'layer 3' }"), "sweep.filter.sites[0]", "SITE_INVALID",
       "site \"layer 3\" is not of the form L5H3"},
      {"EmptySweep", Sweep("heads {} filter { layers: 1 sites: 'L0H*' }"), "sweep.filter.sites", "SITE_INVALID",
       "none of them is in `layers` and `heads`"},
      {"PairsOfOne", Sweep("pairs {} filter { sites: 'L0H0' }"), "sweep.filter", "SWEEP_EMPTY",
       "1 site passes, expected at least 2"},
      {"MoreThanAllSites", Sweep("pairs { strongest: 7 }"), "sweep.pairs.strongest", "SITE_COUNT_OUT_OF_RANGE",
       "got 7, expected 2 .. 6"},
      {"StrongestOfFilter", Sweep("pairs { strongest: 4 } filter { layers: 0 }"), "sweep.pairs.strongest",
       "SITE_COUNT_OUT_OF_RANGE", "got 4, expected 2 .. 3"},
      {"OneStrongest", Sweep("pairs { strongest: 1 }"), "sweep.pairs.strongest", "SITE_COUNT_OUT_OF_RANGE",
       "got 1, expected 2 .. 6"},
      {"NegativeStrongest", Sweep("pairs { strongest: -1 }"), "sweep.pairs.strongest", "SITE_COUNT_OUT_OF_RANGE",
       "got -1"},
      {"NoGroup", Sweep("groups {}"), "sweep.groups.groups", "GROUPS_MISSING", "got no group, expected at least one"},
      {"GroupWithoutSites", Sweep("groups { groups { sites: 'L0H0' } groups { name: 'a' } }"),
       "sweep.groups.groups[1].sites", "SITES_MISSING", "got no site"},
      {"GroupSiteOutOfRange", Sweep("groups { groups { sites: ['L0H0', 'L0H3'] } }"), "sweep.groups.groups[0].sites[1]",
       "SITE_INVALID", "has head 3, expected 0 .. 2"},
      {"GroupNameTooLong", Sweep("groups { groups { name: '" + std::string(201, 'n') + "' sites: 'L0H0' } }"),
       "sweep.groups.groups[0].name", "NAME_TOO_LONG", "got 201 bytes, expected at most 200"},
      {"GroupNameTwice",
       Sweep(
           "groups { groups { name: 'a' sites: 'L0H0' } groups { sites: 'L0H1' } groups { name: 'a' sites: 'L0H2' } }"),
       "sweep.groups.groups[2].name", "NAME_REPEATED", "got \"a\", which is also sweep.groups.groups[0]'s"},
      {"GroupNameIsAnothersLabel", Sweep("groups { groups { name: 'L0H1' sites: 'L0H0' } groups { sites: 'L0H1' } }"),
       "sweep.groups.groups[1].name", "NAME_REPEATED", "got \"L0H1\", which is also sweep.groups.groups[0]'s"},
      {"KeptNameTwice", Sweep("all_but { keep { name: 'a' sites: 'L0H0' } keep { name: 'a' sites: 'L0H1' } }"),
       "sweep.all_but.keep[1].name", "NAME_REPEATED", "which is also sweep.all_but.keep[0]'s"},
      {"FilterOfGroups", Sweep("groups { groups { sites: 'L0H0' } } filter { layers: 0 }"), "sweep.filter",
       "FILTER_OF_GROUPS", "expected none with `groups`"},
      {"KeepNothing", Sweep("all_but {}"), "sweep.all_but.keep", "GROUPS_MISSING", "got no group"},
      {"KeepAll", Sweep("all_but { keep { sites: 'L0H*' } } filter { layers: 0 }"), "sweep.all_but.keep[0].sites",
       "SWEEP_EMPTY", "all 3 sites of the sweep are kept"},
      {"KeepFilteredOut", Sweep("all_but { keep { sites: ['L0H0', 'L1H0'] } } filter { layers: 0 }"),
       "sweep.all_but.keep[0].sites[1]", "SITE_FILTERED_OUT",
       "got L1H0, expected a site that `sweep.filter` lets pass"},
      {"TooManyRandomSets", Sweep("all_but { keep { sites: 'L0H0' } random_sets: 1001 }"), "sweep.all_but.random_sets",
       "COUNT_OUT_OF_RANGE", "got 1001, expected 0 .. 1000"},
      {"NegativeRandomSets", Sweep("all_but { keep { sites: 'L0H0' } random_sets: -1 }"), "sweep.all_but.random_sets",
       "COUNT_OUT_OF_RANGE", "got -1"},
      {"OrderOfPatterns", Sweep("cumulative { order: 'L0H*' }"), "sweep.cumulative.order[0]", "SITE_INVALID",
       "no patterns here"},
      {"OrderOutOfRange", Sweep("cumulative { order: ['L0H0', 'L5H0'] }"), "sweep.cumulative.order[1]", "SITE_INVALID",
       "got L5H0, expected layer 0 .. 1 and head 0 .. 2"},
      {"OrderTwice", Sweep("cumulative { order: ['L0H0', '0.0'] }"), "sweep.cumulative.order[1]", "SITE_REPEATED",
       "L0H0 is named twice"},
      {"OrderFilteredOut", Sweep("cumulative { order: 'L0H0' } filter { layers: 1 }"), "sweep.cumulative.order[0]",
       "SITE_FILTERED_OUT", "got L0H0"},
      {"MoreStepsThanOrder", Sweep("cumulative { order: ['L0H0', 'L1H1'] steps: 3 }"), "sweep.cumulative.steps",
       "COUNT_OUT_OF_RANGE", "got 3, expected 1 .. 2 (the sites of the order)"},
      {"MoreStepsThanSites", Sweep("cumulative { steps: 7 }"), "sweep.cumulative.steps", "COUNT_OUT_OF_RANGE",
       "got 7, expected 1 .. 6 (the sites of the sweep)"},
      {"MoreThanTheOnlyStep", Sweep("cumulative { order: 'L0H0' steps: 2 }"), "sweep.cumulative.steps",
       "COUNT_OUT_OF_RANGE", "got 2, expected exactly 1 (the sites of the order)"},
      {"NegativeSteps", Sweep("cumulative { steps: -2 }"), "sweep.cumulative.steps", "COUNT_OUT_OF_RANGE", "got -2"},
      {"StrongestWithoutTarget", Sweep("pairs { strongest: 2 }") + Prompt("text: 'x'"), "sweep.pairs.strongest",
       "ANSWERS_MISSING", "prompts[2] has no targets"},
      {"OrderWithoutTarget", Sweep("cumulative {}") + Prompt("text: 'x' contrasts { id: 1 }"), "sweep.cumulative.order",
       "ANSWERS_MISSING", "prompts[2] has no targets"},
  };
}

std::vector<BadRequestCase> ReplacementCases() {
  return {
      {"TooManyReplacements", Times(17, "replacements { zero {} }"), "replacements", "TOO_MANY_REPLACEMENTS",
       "got 17 replacements, expected at most 16"},
      {"ReplacementWithoutKind", Replace(""), "replacements[1]", "REPLACEMENT_MISSING",
       "expected `zero`, `zero_keep_value_bias`"},
      {"MeanWithoutLibrary", Replace("mean {}"), "replacements[1].mean.library", "MEAN_LIBRARY_MISSING",
       "`ComputeMeans`"},
      {"ConstantWithoutValue", Replace("constant {}"), "replacements[1].constant", "CONSTANT_MISSING",
       "neither `scalar` nor `vector` is set"},
      {"ConstantNotANumber", Replace("constant { scalar: nan }"), "replacements[1].constant.scalar",
       "NUMBER_NOT_FINITE", "got nan, expected a finite number"},
      {"VectorTooShort", Replace("constant { vector { values: [1, 2, 3] } }"), "replacements[1].constant.vector.values",
       "VECTOR_LENGTH", "got 3 numbers, expected 4 (the model's d_head)"},
      {"VectorEmpty", Replace("constant { vector {} }"), "replacements[1].constant.vector.values", "VECTOR_LENGTH",
       "got 0 numbers, expected 4"},
      {"VectorNotFinite", Replace("constant { vector { values: [1, 2, -inf, 4] } }"),
       "replacements[1].constant.vector.values[2]", "NUMBER_NOT_FINITE", "got -inf"},
      {"FactorNotFinite", Replace("scale { factor: inf }"), "replacements[1].scale.factor", "NUMBER_NOT_FINITE",
       "got inf"},
      {"NoDirection", Replace("resample {}"), "replacements[1].resample.direction", "DIRECTION_MISSING",
       "got DIRECTION_UNSPECIFIED, expected DIRECTION_NOISING or DIRECTION_DENOISING"},
  };
}

std::vector<BadRequestCase> ReadoutCases() {
  return {
      {"EditPositionTooLarge", "edit_positions { positions { positions: [0, 2] } }",
       "edit_positions.positions.positions[1]", "POSITION_OUT_OF_RANGE",
       "got 2, expected -2 .. 1 (prompts[0] has 2 tokens)"},
      {"EditPositionTooSmall", "edit_positions { positions { positions: -2 } }" + Prompt("text: 'x'"),
       "edit_positions.positions.positions[0]", "POSITION_OUT_OF_RANGE",
       "got -2, expected -1 .. 0 (prompts[2] has 1 token)"},
      {"EditRangeEmpty", "edit_positions { each: true positions { ranges { begin: 1 end: 1 } } }",
       "edit_positions.positions.ranges[0]", "POSITION_RANGE_EMPTY",
       "got [1:1], expected a range that holds at least one of prompts[0]'s positions 0 .. 1"},
      {"EditRangeBehind", "edit_positions { positions { ranges { begin: 2 } } }", "edit_positions.positions.ranges[0]",
       "POSITION_RANGE_EMPTY", "got [2:]"},
      {"EditRangeBackwards", "edit_positions { positions { ranges { end: -2 } } }",
       "edit_positions.positions.ranges[0]", "POSITION_RANGE_EMPTY", "got [:-2]"},
      {"TooManyPositions", "edit_positions { positions { " + Times(10'001, "positions: 0") + " } }",
       "edit_positions.positions", "TOO_MANY_POSITIONS", "got 10001 positions and ranges, expected at most 10000"},
      {"ReadPositionTooLarge", Read("positions { positions: 5 }"), "readout.positions.positions[0]",
       "POSITION_OUT_OF_RANGE", "got 5, expected -2 .. 1"},
      {"ReadRangeEmpty", Read("positions { ranges { begin: 0 end: 0 } }"), "readout.positions.ranges[0]",
       "POSITION_RANGE_EMPTY", "got [0:0]"},
      {"TopKNegative", Read("top_k: -1"), "readout.top_k", "TOP_K_OUT_OF_RANGE", "got -1, expected 0 .. 100"},
      {"TopKTooLarge", Read("top_k: 101"), "readout.top_k", "TOP_K_OUT_OF_RANGE", "got 101, expected 0 .. 100"},
      {"MinDenominatorNegative", Read("min_denominator: -0.1"), "readout.min_denominator", "NUMBER_OUT_OF_RANGE",
       "got -0.1, expected a finite number >= 0"},
      {"MinDenominatorNotANumber", Read("min_denominator: nan"), "readout.min_denominator", "NUMBER_OUT_OF_RANGE",
       "got nan"},
      {"LikelihoodOfOneToken", Read("likelihood: true") + Prompt("text: 'x'"), "readout.likelihood", "PROMPT_TOO_SHORT",
       "prompts[2] has 1 token, expected at least 2"},
      {"EffectsWithoutContrast", Read("effects: true") + Prompt("text: 'x' targets { id: 1 }"), "readout.effects",
       "ANSWERS_MISSING", "prompts[2] has no contrasts"},
      {"CompensationWithoutTarget", Read("compensation: true") + Prompt("text: 'x'"), "readout.compensation",
       "ANSWERS_MISSING", "prompts[2] has no targets"},
      {"EffectsOfProbabilities",
       Read("effects: true reduction: REDUCTION_LOGSUMEXP") +
           Prompt("text: 'x' targets { id: 1 } targets { id: 2 } contrasts { id: 3 }"),
       "readout.reduction", "EFFECTS_NOT_LINEAR", "prompts[2] has a set of 2 answers, expected REDUCTION_MEAN_LOGIT"},
      {"EditAppendedToNothing", Read("edit_appended: true"), "readout.edit_appended", "NOTHING_APPENDED",
       "expected with TARGET_MODE_SEQUENCE only"},
      {"SequenceReadElsewhere", Read("target_mode: TARGET_MODE_SEQUENCE positions { positions: 0 }"),
       "readout.positions", "SEQUENCE_READS_LAST", "other positions than the last (-1) are read"},
      {"SequenceReadEverywhere", Read("target_mode: TARGET_MODE_SEQUENCE all_positions: true"), "readout.all_positions",
       "SEQUENCE_READS_LAST", "other positions"},
      {"SequenceWithEffects", Read("target_mode: TARGET_MODE_SEQUENCE compensation: true"), "readout.compensation",
       "EFFECTS_OF_SEQUENCE", "expected without TARGET_MODE_SEQUENCE"},
      {"AppendedAndEach",
       Read("target_mode: TARGET_MODE_SEQUENCE edit_appended: true") + "edit_positions { each: true }",
       "readout.edit_appended", "APPENDED_AND_EACH", "expected without `edit_positions.each`"},
      {"SequenceWithoutTarget", Read("target_mode: TARGET_MODE_SEQUENCE") + Prompt("text: 'x'"), "prompts[2].targets",
       "ANSWER_COUNT_OUT_OF_RANGE", "got 0 targets, expected exactly 1"},
      {"SequenceOfTwoTargets",
       Read("target_mode: TARGET_MODE_SEQUENCE") + Prompt("text: 'x' targets { id: 1 } targets { id: 2 }"),
       "prompts[2].targets", "ANSWER_COUNT_OUT_OF_RANGE", "got 2 targets, expected exactly 1"},
      {"SequenceOfTwoContrasts",
       Read("target_mode: TARGET_MODE_SEQUENCE") +
           Prompt("text: 'x' targets { id: 1 } contrasts { id: 2 } contrasts { id: 3 }"),
       "prompts[2].contrasts", "ANSWER_COUNT_OUT_OF_RANGE", "got 2 contrasts, expected 0 .. 1"},
      {"SequenceTwice",
       Read("target_mode: TARGET_MODE_SEQUENCE") + Prompt("text: 'x' targets { text: 'ab' } contrasts { text: 'ab' }"),
       "prompts[2].contrasts[0]", "ANSWER_REPEATED", "the contrast has the target's tokens"},
      {"SequenceTooLong",
       Read("target_mode: TARGET_MODE_SEQUENCE") +
           Prompt("text: '" + std::string(30, 'x') + "' targets { text: 'abc' } contrasts { text: 'abcd' }"),
       "prompts[2].contrasts[0]", "SEQUENCE_TOO_LONG",
       "the prompt has 30 tokens and this answer 4, expected at most 33 together"},
  };
}

std::vector<BadRequestCase> SummaryCases() {
  return {
      {"FewResamples", "summary { bootstrap_resamples: 99 }", "summary.bootstrap_resamples", "COUNT_OUT_OF_RANGE",
       "got 99, expected 100 .. 100000"},
      {"ManyResamples", "summary { bootstrap_resamples: 100001 }", "summary.bootstrap_resamples", "COUNT_OUT_OF_RANGE",
       "got 100001"},
      {"FewFlips", "summary { sign_flips: 9999 }", "summary.sign_flips", "COUNT_OUT_OF_RANGE",
       "got 9999, expected 10000 .. 1000000"},
      {"NegativeFlips", "summary { sign_flips: -1 }", "summary.sign_flips", "COUNT_OUT_OF_RANGE", "got -1"},
      {"NegativeMinEffect", "summary { min_effect: -1 }", "summary.min_effect", "NUMBER_OUT_OF_RANGE",
       "got -1, expected a finite number >= 0"},
      {"MinEffectNotFinite", "summary { min_effect: inf }", "summary.min_effect", "NUMBER_OUT_OF_RANGE", "got inf"},
      {"SplitWithoutChoice", "summary { split: true }", "summary.split", "NOTHING_TO_CHOOSE",
       "expected only where a `heads` sweep runs first"},
      {"SummaryWithoutTarget", "summary {}" + Prompt("text: 'x'"), "summary", "ANSWERS_MISSING",
       "prompts[2] has no targets"},
      {"SummaryOfUnlikeReads", "summary {}" + Read("all_positions: true") + Prompt("text: 'abc' targets { id: 1 }"),
       "summary", "PROMPTS_DIFFER", "prompts[2] is read at 3 positions, expected as many as prompts[0]'s 2"},
      {"SummaryOfUnlikeEdits",
       "summary {} edit_positions { each: true positions { positions: 0 } }" + Prompt("text: 'abc' targets { id: 1 }"),
       "summary", "PROMPTS_DIFFER",
       "prompts[2] (3 tokens) sweeps over other edit positions than prompts[0] (2 tokens)"},
  };
}

}  // namespace ablate
