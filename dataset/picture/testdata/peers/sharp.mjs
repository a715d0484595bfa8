// Says what sharp reads: node sharp.mjs DIR reads DIR/all.txt, a path on each line, and writes DIR/sharp.tsv, a line each:
// "ok WIDTH HEIGHT", or why not. sharp is looked for from the working directory.
import {createRequire} from 'node:module';
import {readFileSync, writeFileSync} from 'node:fs';

const sharp = createRequire(process.cwd() + '/')('sharp');
const dir = process.argv[2];
const said = [];
for (const path of readFileSync(dir + '/all.txt', 'utf8').trimEnd().split('\n')) {
  try {
    const {info} = await sharp(path).flatten({background: '#fff'}).raw().toBuffer({resolveWithObject: true});
    said.push(`ok ${info.width} ${info.height}`);
  } catch (e) {
    said.push(String(e.message).replace(/\s+/g, ' '));
  }
}
writeFileSync(dir + '/sharp.tsv', said.join('\n') + '\n');
