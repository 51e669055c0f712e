// The public API.
export { type ErrorCode, HyperthinkError } from "./base/errors.ts";
export type { KvFormat, WeightFormat } from "./device/device.ts";
export type { Finish, Token } from "./engine/chain.ts";
export { greedy, type Sampling } from "./engine/sampling.ts";
export { type Candidate, Comparison, type TextRun } from "./eval/compare/compare.ts";
export { type Summary, summarise } from "./eval/compare/summary.ts";
export { windows } from "./eval/compare/texts.ts";
export type { TaskChoice } from "./eval/harness/asked.ts";
export type { ChainOptions } from "./eval/harness/chains.ts";
export { type Evaluated, type EvaluateEvent, type EvaluateOptions, evaluate } from "./eval/harness/evaluate.ts";
export type { RecordedChain, RecordHead } from "./eval/harness/record.ts";
export type { SettingChoice } from "./eval/harness/setting.ts";
export type { StandingRow, SummaryRow } from "./eval/harness/standing.ts";
export { aggregatedAtK, type GradedBallots } from "./eval/metrics/aggregated.ts";
export {
  type ChainRow,
  type Expected,
  type Fault,
  type Gathered,
  gather,
  gatherAll,
  type ProblemChains,
  type PromptCost,
  type Spelling,
  type Tie,
} from "./eval/metrics/chain.ts";
export { type Budget, costOf } from "./eval/metrics/cost.ts";
export { averageScore, majorityAtK, passAtAll, passAtK } from "./eval/metrics/estimators.ts";
export {
  accuracyAt,
  type Frontier,
  type FrontierGap,
  frontierGap,
  frontierOf,
  type Gap,
  gapOf,
  meansOf,
  type Point,
  pointOf,
  type Setting as PointSetting,
} from "./eval/metrics/frontier.ts";
export {
  bootstrapMean,
  type Interval,
  pairedBootstrap,
  type Resampling,
  scoreInterval,
  wilson,
} from "./eval/metrics/interval.ts";
export { type Loop, loopOf } from "./eval/metrics/loops.ts";
export { meanOverSubsets, type Score as MeanScore, type SubsetOptions } from "./eval/metrics/majority.ts";
export { type Tally, tally } from "./eval/metrics/tally.ts";
export { makeReport, type Report as EvaluationReport, type ReportOptions } from "./eval/report/report.ts";
export { writeReport } from "./eval/report/write.ts";
export { type Reproduced, type ReproduceEvent, type ReproduceOptions, reproduce } from "./eval/reproduce/reproduce.ts";
export { taskRecipes } from "./eval/tasks/index.ts";
export { openTask } from "./eval/tasks/open.ts";
export { type OwnTask, ownTask } from "./eval/tasks/own.ts";
export type { Answered, Asked, Item, ItemOptions, Reply, Task, VoteTask, Worth } from "./eval/tasks/task.ts";
export { type Check, type Report, type VerifyOptions, verify } from "./eval/verify.ts";
export type { ChatMessage } from "./model/chat.ts";
export type { ModelConfig } from "./model/config.ts";
export { ada } from "./policy/ada.ts";
export { makePolicy, recipes } from "./policy/index.ts";
export { once } from "./policy/once.ts";
export type {
  Cut,
  Labelling,
  LaneInfo,
  LaneView,
  Policy,
  PolicyOptions,
  Reads,
  Recipe,
  Scorer,
  Watch,
} from "./policy/policy.ts";
export { protect } from "./policy/protect.ts";
export { pyramid } from "./policy/pyramid.ts";
export type { DepthOptions } from "./request/depth.ts";
export {
  type GenerateOptions,
  type GenerateResult,
  type Generation,
  generate,
  type Piece,
} from "./request/generate.ts";
export type { Prompt } from "./request/prompt.ts";
export type { SamplingUsed } from "./request/sampling.ts";
export { type LoadOptions, load, type Session } from "./request/session.ts";
export type { Suggested } from "./request/suggested.ts";
export type { Thinking } from "./request/thinking.ts";
export type { ChainUsage, PromptUsage, Usage } from "./request/usage.ts";
export type { Aggregator, AggregatorRecipe } from "./scale/aggregate/aggregator.ts";
export type { Ballot, ChainVote, Choice, WeighedGroup } from "./scale/aggregate/ballot.ts";
export { best } from "./scale/aggregate/best.ts";
export { byConfidence, type ConfidenceVote } from "./scale/aggregate/confidence.ts";
export { aggregatorRecipes, makeAggregator } from "./scale/aggregate/index.ts";
export { longest } from "./scale/aggregate/longest.ts";
export { majority } from "./scale/aggregate/majority.ts";
export {
  type Confidence,
  type ConfidenceMeasure,
  type ConfidenceOptions,
  chainConfidence,
  tokenConfidence,
} from "./scale/aggregate/measure.ts";
export { type PassAll, passAll } from "./scale/aggregate/pass.ts";
export { byScore, type WeightedVote } from "./scale/aggregate/weighted.ts";
export { type Extraction, extractAnswer } from "./scale/answer.ts";
export { budgetName, budgetOptions, type ScalingBudget, scalingBudget, scalingBudgets } from "./scale/budget.ts";
export type { ChooseOptions } from "./scale/chooser.ts";
export { Equality, type EqualOptions, type Verdict } from "./scale/equality/equality.ts";
export { type Grade, grade } from "./scale/equality/grade.ts";
export { type Merge, mergeGroups } from "./scale/equality/merge.ts";
export {
  type ChainResult,
  type ScaleEvent,
  type ScaleOptions,
  type ScaleResult,
  type Scaling,
  scale,
} from "./scale/scale.ts";
export { type CommandOptions, commandVerifier } from "./scale/verifier/command.ts";
export { functionVerifier, type Judge } from "./scale/verifier/function.ts";
export { goldVerifier } from "./scale/verifier/gold.ts";
export { type RewardOptions, rewardModel } from "./scale/verifier/http.ts";
export type { Score, Verifier, VerifierChain } from "./scale/verifier/verifier.ts";
export { Vote, type VoteGroup } from "./scale/vote.ts";

export { type DataOptions, loadPieces } from "./train/data/data.ts";
export { heldOut, type Piece as TrainPiece, type Pieces, shuffledPieces } from "./train/data/pieces.ts";
export type { JournalEntry } from "./train/disk/journal.ts";
export type { Forecast } from "./train/estimate.ts";
export { type PretrainOptions, pretrain } from "./train/pretrain.ts";
export { retrofit } from "./train/retrofit.ts";
export type {
  GateMaker,
  GateStart,
  RetrofitAsked,
  RetrofitOptions,
  RetrofitSettings,
} from "./train/retrofitOptions.ts";
export { TRAIN_SETTINGS, type TrainSettings } from "./train/settings.ts";
