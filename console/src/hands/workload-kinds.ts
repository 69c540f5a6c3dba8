/** What `gcguide` runs when it is given nothing: the guide's first figure. What each workload shows is in `src/workloads/texts.ts`. */

export const GUIDE = '[{"duration":10,"allocRate":10,"scanRate":1024,"newSurvivalRate":0.14,"oldDeathRate":0.5}]';
