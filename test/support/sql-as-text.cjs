/** Has Jest load a file of SQL as its text, as the builds do. */
module.exports = {
  process: (text) => ({ code: `module.exports = ${JSON.stringify(text)};` }),
};
