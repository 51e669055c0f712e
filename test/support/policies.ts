/**
 * Every policy, with what it keeps small enough to be full soon; more than once where its
 * forms differ in how they hold keys.
 */
export const POLICIES: readonly string[] = [
  "full",
  "dms",
  "tova:budget=30",
  "h2o:budget=30",
  "streaming:budget=30",
  "streaming:budget=30,positions=cache",
  "streaming:budget=30,prefill=sparse",
  "snapkv:budget=30,window=8,every=11",
  "snapkv:budget=30,window=8,every=11,ada=0.2",
  "pyramidkv:budget=40,window=4,every=11",
  "adakv:budget=30,window=8",
  "knorm:cr=3,every=6",
  "rkv:budget=30,buffer=9,window=4",
  "vase:budget=50,window=8",
  "epikv:budget=60,recent=3",
  "dms-budget:budget=30,buffer=9",
  "quest:budget=60",
  "keydiff:budget=30,every=5",
  "random:budget=30,every=5,protect=prompt",
  "expected:budget=30",
  "observed:budget=30",
  "kvzip:budget=30",
  "kvzap:threshold=0,window=9",
];
