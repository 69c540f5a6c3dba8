/**
 * Reads vitest's JSON report. Prints "passed failed" on standard output, and on standard error what
 * failed (with the first lines of its message) and how many tests each file skipped.
 *
 * Counted as failed as well: a file that could not be run at all, a report that is missing, and a
 * run that ended badly for any other reason.
 */

const { existsSync, readFileSync } = require('node:fs');
const { relative } = require('node:path');

const [report, status, script] = process.argv.slice(2);
const say = (line) => process.stderr.write(`${line}\n`);

if (!existsSync(report)) {
  say(`${script}: no report; vitest ended with status ${status}`);
  console.log('0 1');
  process.exit();
}

const { testResults, numFailedTests, numPassedTests, success } = JSON.parse(readFileSync(report, 'utf8'));
let broken = 0;
for (const { name, status: ended, message, assertionResults } of testResults) {
  const file = relative(process.cwd(), name);
  const failed = assertionResults.filter((test) => test.status === 'failed');
  for (const { fullName, failureMessages } of failed) {
    say(`FAILED ${file}: ${fullName}\n  ${firstLines(failureMessages[0])}`);
  }
  if (ended === 'failed' && failed.length === 0) {
    broken++;
    say(`FAILED ${file}: could not be run\n  ${firstLines(message)}`);
  }
  const skipped = assertionResults.filter((test) => test.status !== 'passed' && test.status !== 'failed');
  if (skipped.length > 0)
    say(`skipped ${skipped.length} of ${assertionResults.length} in ${file}: ${skipped[0].fullName}`);
}

let failed = numFailedTests + broken;
if (failed === 0 && (status !== '0' || !success || numPassedTests === 0)) {
  failed = 1;
  say(`FAILED ${script}: status ${status}, though no test failed (an error outside the tests?)`);
}
console.log(numPassedTests, failed);

function firstLines(message = '') {
  return message.trim().split('\n').slice(0, 3).join('\n  ').slice(0, 600);
}
