import { once, PROMPT_SETTINGS } from "./once.ts";
import { real, whole } from "./options.ts";
import type { Recipe } from "./policy.ts";

/**
 * Expected attention (arXiv 2510.00636): queries before RoPE are taken for Gaussian, N(mu, Sigma) over the prompt but
 * its sinks; turned by the mean rotation R of the next `future` positions, z_j = (R mu).k_j / sqrt(d) + k_j^T R Sigma
 * R^T k_j / (2 d); score = (mean over the group of softmax(z)_j + epsilon) ||v_j||. Sinks stay.
 */
export const expected: Recipe = {
  name: "expected",
  summary: "keeps the keys that later queries are expected to attend to (Expected Attention)",
  paper: "https://arxiv.org/abs/2510.00636",
  watches: "mean and covariance of the prompt's queries",
  acts: "at the prompt's end only: no rule while decoding",
  budgets: ["budget", "cr"],
  settings: { sinks: "4", future: "512", epsilon: "0", ...PROMPT_SETTINGS },
  make(_model, options) {
    const sinks = whole("expected", options, "sinks", 4);
    const future = whole("expected", options, "future", 512, 1, 8192);
    const epsilon = real("expected", options, "epsilon", 0, 0);
    return once("expected", options, [{ kind: "expected", future, covariance: true, values: true, epsilon }], {
      watch: { moments: { skip: sinks } },
      sinks,
      settings: { sinks, future, epsilon },
    });
  },
};
