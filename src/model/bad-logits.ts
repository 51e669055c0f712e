import { badModel, type HyperthinkError } from "../base/errors.ts";

/** What a model says from which no token can be drawn; `where` names the chain or text, and the token. */
export const badLogits = (where: string): HyperthinkError =>
  badModel(
    `${where}: expected logits that are numbers, got NaN or infinity: the checkpoint's weights are damaged, or so large that ` +
      "activations overflow; get the checkpoint again, or another conversion of it",
  );
